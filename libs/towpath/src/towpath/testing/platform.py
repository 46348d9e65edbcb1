"""The platform in a test: the durable engine with no server, in virtual time."""

from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from towpath.asking import asking
from towpath.components import REGISTRY, Component, Registry
from towpath.definitions import component_of
from towpath.errors import ConfigurationError, UnknownRunError
from towpath.testing.approvals import (
    Decision,
    OpenApproval,
    check_decision,
    decided,
    no_such_approval,
    open_approvals,
)
from towpath.testing.disturbance import Disturbance, ReplayAlways
from towpath.testing.environment import Environment
from towpath.testing.host import Host
from towpath.testing.refusals import check_size
from towpath.testing.run import YEAR_S, VirtualRun
from towpath.testing.timeline import timeline_of
from towpath.values import to_json_value
from towpath_schemas import identity
from towpath_schemas.approvals import ApprovalView
from towpath_schemas.attribution import Attribution, AttributionClaim
from towpath_schemas.entities import EntityName
from towpath_schemas.requests import DecisionRequested, SignalRequested, StartRequested

_BEGINNING = datetime(2025, 1, 1, tzinfo=UTC)


class VirtualPlatform:
    """Runs workflows, agents and functions on the durable engine, in the test's own process.

    Use it as an async context manager. Its time stands still until the test lets it pass (`advance`, or waiting for
    a result), and then takes none: timers and timeouts of runs and the waits between attempts are virtual in any loop,
    and in `virtual_time` everything is, `asyncio.sleep` included. In an ordinary loop it stands still while a called
    function, tool or method is at work: what that sleeps, and its own time limit, take as long as they say. Each async
    method returns when nothing more happens until time passes or the test does something.

    Nothing begins but what the test, or a run, starts, and that at once. No schedule starts anything, however much time
    passes: start its runs yourself, with its input and, where the code reads it, the header `towpath-scheduled-at`. A
    run that could have to wait for another, or be merged with it, because of `limits` of its component is refused. Test
    schedules and limits on `towpath dev`.

    Args:
        registry: Which components there are.
        seed: What `ctx.random()` and `ctx.uuid()` draw follows from, in runs and in what they call.
        now: When its time begins.
        tenant: Whose the runs are.
        always_replay: Drop each run from memory after every record, so that it goes on from its journal.
        suspend_after_s: Virtual seconds of nothing but waiting that a run is kept in memory for.
        patience_s: Real seconds that code which is at work is waited for, where nobody waits for its run's result.
        without_limits: Have runs begin that would have to pass `limits`, as if their components had none.
        disturbance: What befalls the runs, where neither of the above says it.
    """

    def __init__(
        self,
        *,
        registry: Registry = REGISTRY,
        seed: int = 0,
        now: datetime = _BEGINNING,
        tenant: str = "test",
        always_replay: bool = False,
        suspend_after_s: float = 10.0,
        patience_s: float = 1.0,
        without_limits: bool = False,
        disturbance: Disturbance | None = None,
    ) -> None:
        self._registry = registry
        self._seed = seed
        self._begins = now
        self._tenant = tenant
        self._suspend_after_s = suspend_after_s
        self._patience_s = patience_s
        self._without_limits = without_limits
        self._disturbance = disturbance or (ReplayAlways() if always_replay else Disturbance())
        self._open = AsyncExitStack()
        self._standing: tuple[Host, Environment] | None = None

    async def __aenter__(self) -> Self:
        timeline = timeline_of(self._begins.timestamp(), patience_s=self._patience_s)
        environment = Environment(
            self._registry,
            timeline,
            seed=self._seed,
            suspend_after_s=self._suspend_after_s,
            disturbance=self._disturbance,
            without_limits=self._without_limits,
        )
        host = Host(environment)
        self._standing = host, environment
        self._open.enter_context(timeline.serving(host))
        self._open.push_async_callback(host.stop)
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._open.aclose()
        self._standing = None

    @property
    def _host(self) -> Host:
        return self._opened[0]

    @property
    def _environment(self) -> Environment:
        return self._opened[1]

    @property
    def _opened(self) -> tuple[Host, Environment]:
        if self._standing is None:
            raise RuntimeError("the platform is not open; use `async with VirtualPlatform() as platform`")
        return self._standing

    # --- Runs ---------------------------------------------------------------------------------------

    async def start(
        self,
        component: Any,
        input: Any = None,  # noqa: A002 - the word of the request
        *,
        idempotency_key: str | None = None,
        headers: dict[str, str] | None = None,
        attribution: AttributionClaim | None = None,
    ) -> VirtualRun:
        """Start a run.

        Args:
            component: A workflow, agent or function, or its name.
            input: An object of its parameters, or the value of its only one.
            idempotency_key: The same key and component find the same run; text of 1 to 512 characters.
            headers: What `ctx.headers()` gives.
            attribution: Who is behind the request.

        Raises:
            ConfigurationError: If there is no such component, or it has limits that other runs count for; see
                `without_limits`.
            RequestRefusedError: If the input is too large.
            NotSerialisableError: If JSON cannot carry it.
            InvalidInputError: If another argument is not what it takes.
        """
        found, payload = self._found(component), to_json_value(input)
        asked = asking(
            StartRequested,
            input=payload,
            idempotency_key=idempotency_key,
            headers={} if headers is None else headers,
            attribution=attribution,
        )
        request_id = self._host.next_id("request")
        run_id = identity.run_id(self._tenant, found.name, asked.idempotency_key or request_id)
        started = self._host.started(
            found,
            payload,
            Attribution.vouched(self._tenant, asked.attribution),
            correlation_id=request_id,
            headers=asked.headers,
        )
        check_size("the request with its input", len(started.to_body()))
        self._host.start(run_id, started)
        await self.rest()
        return self.find(run_id)

    async def run(
        self,
        component: Any,
        input: Any = None,  # noqa: A002 - the word of the request
        *,
        timeout_s: float = YEAR_S,
        headers: dict[str, str] | None = None,
        attribution: AttributionClaim | None = None,
    ) -> Any:
        """Start a run, let time pass until it has ended, and return its result; see `start` and `VirtualRun.result`."""
        run = await self.start(component, input, headers=headers, attribution=attribution)
        return await run.result(timeout_s)

    def _found(self, component: Any) -> Component:
        known = self._registry.runnable(component) if isinstance(component, str) else component_of(component)
        if known is None or known is not self._registry.runnable(known.name):
            raise ConfigurationError(
                f"{component!r} is no workflow, agent or function of this platform's registry; decorate it, or import "
                "the module that defines it"
            )
        return known

    @property
    def runs(self) -> list[VirtualRun]:
        """All runs there were, child runs among them, oldest first."""
        return [self.find(run_id) for run_id in self._host.runs]

    def find(self, run_id: str) -> VirtualRun:
        """Find a run by its id.

        Raises:
            UnknownRunError: If there is none.
        """
        stored = self._host.runs.get(run_id)
        if stored is None:
            raise UnknownRunError(run_id)
        return VirtualRun(self._host, self._environment, stored)

    async def signal(self, run: VirtualRun | str, name: str, payload: Any = None, **said: Any) -> None:
        """Send a signal to a run, or the run of an id; see `VirtualRun.signal`."""
        await self.find(run if isinstance(run, str) else run.run_id).signal(name, payload, **said)

    async def broadcast(self, name: str, payload: Any = None) -> None:
        """Send a signal to all runs that wait for one of this name.

        Raises:
            InvalidInputError: If the name is none.
        """
        asked = asking(SignalRequested, name=name, payload=to_json_value(payload))
        signal_id = self._host.next_id("signal")
        sender = Attribution.vouched(self._tenant, None)
        self._host.broadcast(signal_id, asked.name, asked.payload, sender)
        await self.rest()

    def entity_state(self, entity_type: str, key: str) -> dict[str, Any]:
        """Return what the last write of one of the tenant's entities has committed."""
        name = EntityName(self._tenant, entity_type, key)
        return dict(self._host.callees.entities.committed(name))

    # --- Approvals ----------------------------------------------------------------------------------

    def approvals(self, run: VirtualRun | None = None) -> list[ApprovalView]:
        """List the approvals that somebody is to decide, of one run or of all."""
        return [
            approval.view
            for approval in self._approvals()
            if run is None or approval.view.run_id == run.run_id
        ]

    def _approvals(self) -> list[OpenApproval]:
        return [approval for stored in self._host.runs.values() for approval in open_approvals(stored)]

    async def approve(
        self,
        approval: ApprovalView | VirtualRun | str,
        *,
        decision: Decision = "approved",
        by: str | None = None,
        role: str | None = None,
        comment: str | None = None,
        content_sha256: str | None = None,
    ) -> None:
        """Decide an approval.

        Args:
            approval: The approval or its id, or the run that waits for only one.
            decision: What is decided.
            by: Who decides; it becomes the `approver`.
            role: In which role.
            comment: What they say about it.
            content_sha256: Digest of what they were shown.

        Raises:
            RequestRefusedError: If there is no such approval any more, they lack the role, or were shown something else.
            LookupError: If a run waits for several.
            InvalidInputError: If an argument is not what it takes.
        """
        asking(
            DecisionRequested,
            decision=decision,
            comment=comment,
            content_sha256=content_sha256,
            attribution=asking(AttributionClaim, user_id=by, user_role=role),
        )
        found = self._the_one(approval)
        check_decision(found.view, role=role, content_sha256=content_sha256)
        at = self._environment.timeline.now()
        self._host.deliver(decided(found, decision, by=by, at=at, comment=comment))
        await self.rest()

    def _the_one(self, approval: ApprovalView | VirtualRun | str) -> OpenApproval:
        wanted = approval.approval_id if isinstance(approval, ApprovalView) else approval
        of_run = wanted.run_id if isinstance(wanted, VirtualRun) else None
        found = [
            one for one in self._approvals() if of_run == one.view.run_id or wanted == one.view.approval_id
        ]
        if len(found) > 1:
            names = ", ".join(one.view.name for one in found)
            raise LookupError(
                f"{wanted!r} waits for several approvals ({names}); choose one from approvals()"
            )
        if not found:
            raise no_such_approval(repr(wanted))
        return found[0]

    # --- Time ---------------------------------------------------------------------------------------

    @property
    def now(self) -> datetime:
        """What its clock shows (UTC)."""
        return datetime.fromtimestamp(self._environment.timeline.now(), UTC)

    async def advance(
        self,
        by: timedelta = timedelta(),
        *,
        days: float = 0,
        hours: float = 0,
        minutes: float = 0,
        seconds: float = 0,
    ) -> None:
        """Let time pass, and all happen that does meanwhile, but for schedules; what is given is added up."""
        given = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        await self.advance_to(self.now + by + given)

    async def advance_to(self, moment: datetime) -> None:
        """Let time pass until a moment, and all happen that does meanwhile.

        Raises:
            ValueError: If it has passed.
        """
        if moment < self.now:
            raise ValueError(f"{moment} has passed: it is {self.now}; time does not run backwards")
        await self._environment.timeline.pass_until(moment.timestamp())
        self._host.check()

    async def rest(self) -> None:
        """Return when nothing more happens until time passes, or the test does something."""
        await self._environment.timeline.rest()
        self._host.check()
