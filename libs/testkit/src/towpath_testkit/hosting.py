"""The platform in one loop: router, agent-runners and tool-runners, each with a connection of its own.

Runners serve what the test decorated, so that a test's workflow can see the test's own variables.
"""

import asyncio
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from towpath.components import REGISTRY, Registry
from towpath_agent_runner.app import app as agent_runner_app, serving as agent_runner_serving
from towpath_agent_runner.settings import Settings as AgentRunnerSettings
from towpath_audit_sink.app import app as audit_sink_app
from towpath_audit_sink.settings import Settings as AuditSinkSettings
from towpath_chassis.jetstream import JetStream
from towpath_chassis.journal import read_journal
from towpath_chassis.presence import present
from towpath_chassis.service import Chassis, Service, chassis, connection
from towpath_chassis.settings import ServiceSettings
from towpath_chassis.streams import ensure_streams
from towpath_router.app import app as router_app
from towpath_router.settings import Settings as RouterSettings
from towpath_schemas import identity, subjects
from towpath_schemas.journal import JournalRecord, RunFinished
from towpath_schemas.presence import Heartbeat
from towpath_testkit.builders import SERVICE, TENANT, start_requested
from towpath_testkit.settled import DEADLINE_S, until
from towpath_tool_runner.app import app as tool_runner_app, serving as tool_runner_serving
from towpath_tool_runner.settings import Settings as ToolRunnerSettings

APP = "towpath_testkit.served"


@contextmanager
def own_registry() -> Generator[None]:
    """Let the process-wide registry be empty for a while, and as it was afterwards."""
    before = [*REGISTRY]
    REGISTRY.clear()
    try:
        yield
    finally:
        REGISTRY.clear()
        for component in before:
            REGISTRY.add(component)


@contextmanager
def loaded_anew(app: Path) -> Generator[None]:
    """Let user code be loaded into a registry of its own, whoever has loaded it before in this process."""
    with own_registry():
        sys.modules.pop(app.stem, None)
        yield


class Hosted:
    """One service that runs in this loop."""

    def __init__(
        self, role: str, settings: ServiceSettings, service: Service[Any], serves: str | None
    ) -> None:
        self.role = role
        self.settings = settings
        self._service = service
        self._serves = serves
        self._ready = asyncio.Event()
        self._stopped = asyncio.Event()
        self._standing: Chassis[Any] | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start it, and return once it serves."""
        self._task = asyncio.create_task(self._serve(), name=f"hosted-{self.role}")
        ready = asyncio.create_task(self._ready.wait())
        await asyncio.wait({ready, self._task}, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if self._task.done():
            await self._task

    async def stop(self) -> None:
        """End it in order, as SIGTERM does."""
        self._stopped.set()
        if self._task is not None:
            task, self._task = self._task, None
            await task

    async def crash(self) -> None:
        """End it without ceremony: the connection is gone first, so nothing is said to anybody."""
        if self._standing is not None:
            await self._standing.js.nats.close()
        if self._task is not None:
            task, self._task = self._task, None
            task.cancel()
            with suppress(asyncio.CancelledError, ExceptionGroup):  # FastStream wants to say goodbye
                await task

    @property
    def js(self) -> JetStream:
        """Its connection."""
        assert self._standing is not None
        return self._standing.js

    async def _serve(self) -> None:
        async with AsyncExitStack() as stack:
            self._standing = await stack.enter_async_context(chassis(self.role, self.settings))
            await stack.enter_async_context(self._service(self._standing))
            beat = Heartbeat(
                role=self.role, instance=self.settings.instance, state="alive", service=self._serves
            )
            await stack.enter_async_context(present(self._standing.js, beat))
            self._ready.set()
            await self._stopped.wait()


class Platform:
    """What a test may do with the platform; made by `platform`."""

    def __init__(self, url: str, js: JetStream) -> None:
        self.url = url
        self.js = js
        self._hosted: list[Hosted] = []

    # --- Services ---------------------------------------------------------------------------------

    @property
    def hosted(self) -> tuple[Hosted, ...]:
        """The services that were started, in that order."""
        return tuple(self._hosted)

    async def router(self, **settings: Any) -> Hosted:
        """Start a router."""
        return await self._host("router", RouterSettings(**self._said(settings)), router_app, None)

    async def agent_runner(self, code: Registry | None = None, **settings: Any) -> Hosted:
        """Start an agent-runner, of what the test decorated or of other `code`."""
        said = AgentRunnerSettings(**self._said(settings), app=APP, service_name=SERVICE)
        app = agent_runner_app if code is None else partial(agent_runner_serving, registry=code)
        return await self._host("agent-runner", said, app, SERVICE)

    async def tool_runner(self, code: Registry | None = None, **settings: Any) -> Hosted:
        """Start a tool-runner, of what the test decorated or of other `code`."""
        said = ToolRunnerSettings(**self._said(settings), app=APP, service_name=SERVICE)
        app = tool_runner_app if code is None else partial(tool_runner_serving, registry=code)
        return await self._host("tool-runner", said, app, SERVICE)

    async def audit_sink(self, **settings: Any) -> Hosted:
        """Start an audit-sink."""
        said = AuditSinkSettings(**self._said(settings))
        return await self._host("audit-sink", said, audit_sink_app, None)

    async def all(self, **runner: Any) -> None:
        """Start one of each; `runner` are settings of the agent-runner."""
        await asyncio.gather(self.router(), self.agent_runner(**runner), self.tool_runner())

    def _said(self, settings: dict[str, Any]) -> dict[str, Any]:
        known = {"nats_url": self.url, "instance": uuid4().hex[:8], "drain_s": 0.2}
        return {**known, **settings}

    async def _host(self, role: str, settings: ServiceSettings, app: Any, serves: str | None) -> Hosted:
        hosted = Hosted(role, settings, app, serves)
        self._hosted.append(hosted)
        await hosted.start()
        return hosted

    async def stop(self) -> None:
        """Stop all services."""
        await asyncio.gather(*(hosted.stop() for hosted in self._hosted))

    # --- Runs -------------------------------------------------------------------------------------

    async def start(self, component: str, input: Any = None, *, key: str | None = None) -> str:  # noqa: A002
        """Request a run as anyone with a client would; return the id it will have."""
        key = key or uuid4().hex
        request = start_requested(input=input, idempotency_key=key)
        await self.js.publish(subjects.request(TENANT, "start", component), request.to_body())
        return identity.run_id(TENANT, component, key)

    async def run(self, component: str, input: Any = None, *, deadline_s: float = DEADLINE_S) -> RunFinished:  # noqa: A002
        """Request a run and wait for its end."""
        return await self.finished(await self.start(component, input), deadline_s=deadline_s)

    async def finished(self, run_id: str, *, deadline_s: float = DEADLINE_S) -> RunFinished:
        """Wait until the journal of a run says how it ended."""
        records = await self.until(run_id, RunFinished, deadline_s=deadline_s)
        return next(record for record in records if isinstance(record, RunFinished))

    async def until(
        self, run_id: str, kind: type[JournalRecord], *, deadline_s: float = DEADLINE_S
    ) -> list[JournalRecord]:
        """Wait until the journal of a run has a record of `kind`; return all there are."""
        return await until(
            lambda: self.journal(run_id),
            lambda records: any(isinstance(record, kind) for record in records),
            deadline_s=deadline_s,
        )

    async def journal(self, run_id: str) -> list[JournalRecord]:
        """Read the journal of a run."""
        return [record for _, record in await read_journal(self.js, run_id)]


@asynccontextmanager
async def platform(url: str) -> AsyncGenerator[Platform]:
    """Connect to a broker on which services can be hosted; those that still run in the end are stopped."""
    async with connection(url, name="test") as (_, js):
        await ensure_streams(js)
        hosting = Platform(url, js)
        try:
            yield hosting
        finally:
            await hosting.stop()
