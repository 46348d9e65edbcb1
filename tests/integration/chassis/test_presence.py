"""Who lives, who left, and who is lost."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from towpath_chassis.jetstream import JetStream
from towpath_chassis.presence import Watch, present
from towpath_chassis.service import Chassis, connection, running
from towpath_chassis.settings import ServiceSettings
from towpath_schemas import subjects
from towpath_schemas.presence import Heartbeat
from towpath_testkit.builders import heartbeat
from towpath_testkit.servers import Servers
from towpath_testkit.settled import until_so

pytestmark = pytest.mark.live


class Watcher:
    """A watch, and whom it reported."""

    def __init__(self, js: JetStream, *, lost_after_s: float) -> None:
        self.lost: list[Heartbeat] = []
        self.changes = 0
        self.watch = Watch(js, self._on_lost, on_change=self._on_change, lost_after_s=lost_after_s)

    async def _on_lost(self, lost: Heartbeat) -> None:
        self.lost.append(lost)

    def _on_change(self) -> None:
        self.changes += 1

    async def sees(self, *instances: str) -> None:
        await until_so(lambda: self.watch.alive("agent-runner") == frozenset(instances))


async def watching(js: JetStream, stack: AsyncExitStack, *, lost_after_s: float = 60.0) -> Watcher:
    watcher = Watcher(js, lost_after_s=lost_after_s)
    await watcher.watch.listen()
    reporting = asyncio.create_task(watcher.watch.report())
    stack.callback(reporting.cancel)
    return watcher


async def test_a_process_is_seen_as_long_as_it_is_there_and_leaves_without_being_missed(
    js: JetStream,
) -> None:
    async with AsyncExitStack() as stack:
        watcher = await watching(js, stack)
        async with present(js, heartbeat("one")), present(js, heartbeat("other", role="router")):
            await watcher.sees("one")
        await watcher.sees()

    assert watcher.lost == []


async def test_a_process_that_falls_silent_is_reported_once(js: JetStream) -> None:
    async with AsyncExitStack() as stack:
        watcher = await watching(js, stack, lost_after_s=0.2)
        silent = heartbeat("one")
        await js.tell(subjects.presence(silent.role, silent.instance), silent.to_body())
        await watcher.sees("one")
        await watcher.sees()

        await until_so(lambda: watcher.lost)
        assert watcher.lost == [silent]
        assert watcher.changes == 2


async def test_a_process_of_two_roles_is_lost_in_both(js: JetStream) -> None:
    roles = {"agent-runner", "tool-runner"}
    async with AsyncExitStack() as stack:
        watcher = await watching(js, stack, lost_after_s=0.2)
        for role in sorted(roles):
            beat = heartbeat("worker", role=role)
            await js.tell(subjects.presence(role, "worker"), beat.to_body())
        await until_so(lambda: len(watcher.lost) == 2)

    assert {beat.role for beat in watcher.lost} == roles


async def test_what_is_no_heartbeat_is_passed_over(js: JetStream) -> None:
    async with AsyncExitStack() as stack:
        watcher = await watching(js, stack)
        await js.tell(subjects.presence("agent-runner", "odd"), b"\xff")
        await js.tell(subjects.presence("agent-runner", "one"), heartbeat("one").to_body())
        await watcher.sees("one")


async def test_nobody_is_blamed_for_a_broker_that_was_away(js: JetStream, broker: Servers) -> None:
    async with AsyncExitStack() as stack:
        _, living = await stack.enter_async_context(connection(broker.nats.url, name="living"))
        watcher = await watching(js, stack, lost_after_s=1.5)
        await stack.enter_async_context(present(living, heartbeat("one")))
        await watcher.sees("one")

        await broker.nats.kill()
        loop = asyncio.get_running_loop()
        away_since = loop.time()
        await until_so(lambda: loop.time() - away_since > 1.7)
        await broker.nats.start()
        heard = watcher.watch.alive("agent-runner")
        await until_so(lambda: js.nats.is_connected, deadline_s=5)

        assert heard == {"one"}
        assert watcher.lost == []


async def test_a_service_is_ready_while_it_is_connected_and_says_so_over_http(broker: Servers) -> None:
    seen: list[Chassis[ServiceSettings]] = []

    @asynccontextmanager
    async def service(chassis: Chassis[ServiceSettings]):
        seen.append(chassis)
        yield

    settings = ServiceSettings(nats_url=broker.nats.url, health_port=0)
    async with running("router", settings, service) as port:
        assert port
        health = seen[0].health
        assert health.answer("/readyz")[0] == 200
        await broker.nats.kill()
        await until_so(lambda: not seen[0].js.nats.is_connected)
        assert health.answer("/readyz") == (503, {"status": "not ready", "failing": ["broker"]})
        assert health.answer("/healthz")[0] == 200
