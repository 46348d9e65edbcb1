"""What a service stands on while it runs: connection, streams, logs, traces, health; and how it starts and ends.

A service is an async context manager over a `Chassis`: entering it begins the work, leaving it drains.
"""

import asyncio
import gc
import os
import signal
import sys
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Generic, TypeVar
from uuid import uuid4

import structlog
import uvloop
from faststream import AckPolicy
from faststream.nats import NatsBroker
from nats.aio.client import Client
from nats.errors import Error as NatsError

from towpath_chassis.health import Health, health_server
from towpath_chassis.jetstream import JetStream, jetstream
from towpath_chassis.logs import configure_logs
from towpath_chassis.presence import present
from towpath_chassis.settings import ServiceSettings
from towpath_chassis.streams import ensure_streams
from towpath_chassis.tasks import background
from towpath_chassis.telemetry import Tracing
from towpath_chassis.watchdog import watched_loop
from towpath_chassis.wire import quicken
from towpath_schemas.envelope import Envelope
from towpath_schemas.presence import Heartbeat

log = structlog.get_logger(__name__)

_RECONNECT_WAIT_S = 0.1
_CANCEL_AGAIN_S = 0.1
_STOP_WITHIN_S = 3.0

SettingsT_co = TypeVar("SettingsT_co", bound=ServiceSettings, covariant=True)


@dataclass(frozen=True, slots=True)
class Chassis(Generic[SettingsT_co]):
    """What a running service stands on.

    Attributes:
        role: The kind of service: `router`, `agent-runner`, ...
        broker: For subscribers whose messages are handled at once.
        js: For everything else.
    """

    role: str
    settings: SettingsT_co
    broker: NatsBroker
    js: JetStream
    tracing: Tracing
    health: Health

    def envelope(self, event_type: str, **attributes: Any) -> Envelope:
        """Write the envelope of an event that this process sends now."""
        return Envelope(
            id=attributes.pop("id", None) or uuid4().hex,
            type=event_type,
            source=f"/towpath/{self.role}/{self.settings.instance}",
            time=datetime.fromtimestamp(time.time(), UTC).isoformat().replace("+00:00", "Z"),
            **attributes,
        )


Service = Callable[[Chassis[SettingsT_co]], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def connection(url: str, *, name: str) -> AsyncGenerator[tuple[NatsBroker, JetStream]]:
    """Connect to the broker, for as long as it takes, and stay connected until the end.

    Nothing is buffered while there is no connection (`pending_size=0`): a publish either reaches the broker
    or fails at once, so that nothing is stored behind the back of a writer who was told otherwise.
    """
    doors: list[JetStream] = []

    async def on_disconnect() -> None:
        for door in doors:
            door.disconnected()

    async def on_reconnect() -> None:
        log.info("connected to the broker again")
        for door in doors:
            door.reconnected()

    async def on_error(error: Exception) -> None:
        log.debug("the broker connection complains", error=repr(error))

    broker = NatsBroker(
        url,
        name=name,
        pending_size=0,
        reconnect_time_wait=_RECONNECT_WAIT_S,  # type: ignore[arg-type] # seconds; a float works
        max_reconnect_attempts=-1,
        disconnected_cb=on_disconnect,
        reconnected_cb=on_reconnect,
        error_cb=on_error,
        ack_policy=AckPolicy.MANUAL,
        apply_types=False,  # handlers read their messages themselves; injection would cost more than they do
        serializer=None,  # else a pydantic model is built of each handler's parameters, which nobody asks
        logger=None,
    )
    nats = await _connected(broker)
    quicken(nats)
    try:
        async with jetstream(nats) as js:
            doors.append(js)
            yield broker, js
    finally:
        try:
            await broker.stop()
        except* NatsError as errors:  # not connected: there is nothing to take leave of
            log.info("the broker is not there to say goodbye to", reason=repr(errors.exceptions[0]))
            await nats.close()


async def _connected(broker: NatsBroker) -> Client:
    """Connect, until cancelled: for as often as the client, which tries again and again, needs to hear that.

    It connects by `asyncio.wait_for`, which until Python 3.12 loses a cancellation that comes as an attempt fails.
    """
    connecting = asyncio.ensure_future(broker.connect())
    try:
        return await asyncio.shield(connecting)
    except asyncio.CancelledError:
        while not connecting.done():
            connecting.cancel()
            await asyncio.wait({connecting}, timeout=_CANCEL_AGAIN_S)
        if not connecting.cancelled() and connecting.exception() is None:
            await connecting.result().close()
        raise


@asynccontextmanager
async def chassis(role: str, settings: SettingsT_co) -> AsyncGenerator[Chassis[SettingsT_co]]:
    """Put up what a service stands on."""
    async with AsyncExitStack() as stack:
        tracing = Tracing.of(settings, service=role)
        stack.callback(tracing.shutdown)
        broker, js = await stack.enter_async_context(connection(settings.nats_url, name=f"towpath-{role}"))
        await ensure_streams(js)
        await stack.enter_async_context(background(partial(_keep_streams, js), name="streams"))
        health = Health()
        health.add("broker", lambda: js.nats.is_connected)
        yield Chassis(role, settings, broker, js, tracing, health)


async def _keep_streams(js: JetStream) -> None:
    """Make the streams again, for ever, whenever the broker was away: those in memory went with it."""
    back = asyncio.Event()
    back.set()  # whoever begins again after a failure may have missed a reconnect
    js.on_reconnect.append(back.set)
    try:
        while True:
            await back.wait()
            back.clear()
            await ensure_streams(js)
    finally:
        js.on_reconnect.remove(back.set)


@asynccontextmanager
async def running(
    role: str,
    settings: SettingsT_co,
    service: Service[SettingsT_co],
    *,
    serves: str | None = None,
) -> AsyncGenerator[int | None]:
    """Run a service until the end of the block; yields its health port."""
    async with AsyncExitStack() as stack:
        standing = await stack.enter_async_context(chassis(role, settings))
        await stack.enter_async_context(service(standing))
        heartbeat = Heartbeat(role=role, instance=settings.instance, state="alive", service=serves)
        await stack.enter_async_context(present(standing.js, heartbeat))
        server = health_server(standing.health, settings.health_host, settings.health_port)
        yield await stack.enter_async_context(server)


def serve(
    role: str,
    settings: SettingsT_co,
    service: Service[SettingsT_co],
    *,
    serves: str | None = None,
) -> None:
    """Be the process of a service: run it until SIGTERM or SIGINT, then drain."""
    configure_logs(settings, service=role)
    try:
        uvloop.run(_until_stopped(role, settings, service, serves))
    except (OSError, ValueError) as error:
        sys.exit(f"towpath {role} cannot start: {error}")


async def _until_stopped(
    role: str,
    settings: SettingsT_co,
    service: Service[SettingsT_co],
    serves: str | None,
) -> None:
    life = _Life(settings.drain_s)
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, life.end)
    with suppress(asyncio.CancelledError):
        async with running(role, settings, service, serves=serves) as health_port:
            log.info("service ready", nats_url=settings.nats_url, health_port=health_port)
            life.ready = True
            _spare_the_collector()
            with watched_loop(blocked_after_s=settings.blocked_after_s):
                await life.ended.wait()
            log.info("service draining")
    log.info("service stopped")


def _spare_the_collector() -> None:
    """Leave what the start has made out of garbage collection, and collect less often.

    What a service makes per message is freed by reference counting, and to go through all that the start has made cost a
    tenth of the CPU under load. A run that is dropped from memory is garbage, though, of some 200 objects and 25 kB: what
    lies about until a full collection are the 125,000 objects of about 600 such runs.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000, 5, 5)


class _Life:
    """How a process ends: it drains; it does not wait where there is nothing to drain, and not for ever."""

    def __init__(self, drain_s: float) -> None:
        self.ended = asyncio.Event()
        self.ready = False
        self._drain_s = drain_s
        self._main = asyncio.current_task()

    def end(self) -> None:
        """Handle a signal: the first one drains, unless the start is not over; a second one hurries."""
        if (self.ended.is_set() or not self.ready) and self._main is not None:
            self._main.cancel()
        self.ended.set()
        asyncio.get_running_loop().call_later(self._drain_s + _STOP_WITHIN_S, _leave)


def _leave() -> None:
    """End the process: what it holds is delivered to another by the broker, as after a crash."""
    log.error("draining took too long")
    os._exit(1)
