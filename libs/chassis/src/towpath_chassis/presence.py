"""Says every second that this process lives, and listens to those who do not any more."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from towpath_chassis.jetstream import JetStream
from towpath_schemas import subjects
from towpath_schemas.presence import HEARTBEAT_S, LOST_AFTER_S, Heartbeat


@asynccontextmanager
async def present(js: JetStream, heartbeat: Heartbeat) -> AsyncGenerator[None]:
    """Send heartbeats until the end, and then a last one that says goodbye."""
    subject = subjects.presence(heartbeat.role, heartbeat.instance)
    beating = asyncio.create_task(_beat(js, subject, heartbeat.to_body()), name="presence")
    try:
        yield
    finally:
        beating.cancel()
        with suppress(asyncio.CancelledError):
            await beating
        with suppress(NatsError):
            await js.nats.publish(subject, heartbeat.model_copy(update={"state": "leaving"}).to_body())


async def _beat(js: JetStream, subject: str, body: bytes) -> None:
    while True:
        with suppress(NatsError):
            await js.nats.publish(subject, body)
        await asyncio.sleep(HEARTBEAT_S)


class Watch:
    """Notices processes that stop saying that they live.

    Our own disconnection is not held against anyone: after a reconnect everybody gets a full span again.
    """

    def __init__(
        self,
        js: JetStream,
        on_lost: Callable[[Heartbeat], Awaitable[None]],
        *,
        on_change: Callable[[], None] | None = None,
        lost_after_s: float = LOST_AFTER_S,
    ) -> None:
        self._js = js
        self._on_lost = on_lost
        self._on_change = on_change
        self._lost_after_s = lost_after_s
        self._last_heard: dict[tuple[str, str], tuple[float, Heartbeat]] = {}

    async def listen(self) -> None:
        """Begin to listen."""
        await self._js.subscribe(subjects.EVERY_PRESENCE, self._on_heartbeat)
        self._js.on_reconnect.append(self._forgive)

    def alive(self, role: str) -> frozenset[str]:
        """Tell the instances of `role` that live, as far as we heard; `on_change` is called when it differs."""
        return frozenset(instance for there, instance in self._last_heard if there == role)

    async def report(self) -> None:
        """Report, for ever, who is lost."""
        while True:
            await asyncio.sleep(HEARTBEAT_S / 2)
            await self._report_lost()

    async def _on_heartbeat(self, message: Msg) -> None:
        heartbeat = Heartbeat.from_body(message.data)
        who = heartbeat.role, heartbeat.instance  # one process may have several roles
        was_known = who in self._last_heard
        if heartbeat.state == "leaving":
            self._last_heard.pop(who, None)
        else:
            self._last_heard[who] = (asyncio.get_running_loop().time(), heartbeat)
        if was_known is (heartbeat.state == "leaving"):
            self._changed()

    def _changed(self) -> None:
        if self._on_change is not None:
            self._on_change()

    def _forgive(self) -> None:
        now = asyncio.get_running_loop().time()
        self._last_heard = {who: (now, beat) for who, (_, beat) in self._last_heard.items()}

    async def _report_lost(self) -> None:
        if not self._js.nats.is_connected:
            return
        silent_since = asyncio.get_running_loop().time() - self._lost_after_s
        for who, (heard, heartbeat) in list(self._last_heard.items()):
            if heard < silent_since:
                self._last_heard.pop(who, None)
                self._changed()
                await self._on_lost(heartbeat)
