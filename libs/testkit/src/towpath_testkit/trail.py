"""What a plain NATS client sees of runs: the audit events, as JSON, and when they are over."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from nats.aio.client import Client
from nats.aio.msg import Msg

Event = dict[str, Any]
_ENDS = {"completed", "failed", "cancelled"}


class Trail:
    """The audit events of one tenant, gathered from the stream in order; a broken connection loses none."""

    def __init__(self, tenant: str) -> None:
        self.tenant = tenant
        self.events: dict[str, list[Event]] = defaultdict(list)
        self._changed = asyncio.Event()

    async def follow(self, client: Client) -> None:
        """Begin to gather."""
        stream = client.jetstream()  # pyright: ignore[reportUnknownMemberType]
        await stream.subscribe(f"audit.v1.{self.tenant}.>", cb=self._take, ordered_consumer=True)

    async def _take(self, message: Msg) -> None:
        event = json.loads(message.data)
        self.events[event["run_id"]].append(event)
        self._changed.set()

    @property
    def told(self) -> int:
        """How many events there were."""
        return sum(map(len, self.events.values()))

    @property
    def ended(self) -> dict[str, str]:
        """How each run ended that did."""
        return {
            run: event["action"]
            for run, events in self.events.items()
            for event in events
            if event["kind"] == "run" and event["action"] in _ENDS
        }

    async def until(self, holds: Callable[[], bool], *, within_s: float = 45.0) -> None:
        """Wait until something holds of what was told."""
        async with asyncio.timeout(within_s):
            while not holds():
                self._changed.clear()
                await self._changed.wait()
