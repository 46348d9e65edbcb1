"""A component with limits, and a test in place of its runner: it sees what is handed to it, and ends it."""

from typing import Any
from uuid import uuid4

from towpath_chassis.inbox import CLOSED
from towpath_chassis.jetstream import JetStream
from towpath_chassis.journal import newest_claim
from towpath_router.gates.log import GateLog
from towpath_router.gates.naming import gate_id
from towpath_router.gates.state import GateState
from towpath_router.runs import Runs
from towpath_schemas import subjects
from towpath_schemas.attribution import Attribution
from towpath_schemas.calls import ChildRequested, RunClosed, RunDispatched
from towpath_schemas.components import ComponentDescribed, ServiceRegistered
from towpath_schemas.journal import Parent, RunFinished
from towpath_schemas.limits import Limit
from towpath_schemas.requests import RunAccepted
from towpath_schemas.streams import CATALOGUE, INBOX, REQUESTS, ROUTER_CHILDREN, ROUTER_INBOX, RUNS
from towpath_testkit.asking import ask
from towpath_testkit.builders import SERVICE, TENANT, start_requested
from towpath_testkit.journals import AT, write_claim, write_entry
from towpath_testkit.settled import settled, until


class Limited:
    """The runner of components with limits."""

    def __init__(self, js: JetStream) -> None:
        self.js = js
        self._offered: dict[str, tuple[Limit, ...]] = {}

    async def offer(self, *limits: Limit, name: str = "bounded") -> None:
        """Register a component beside those that were registered before; again, with other limits."""
        self._offered[name] = limits
        described = (
            ComponentDescribed(name=one, kind="workflow", limits=its) for one, its in self._offered.items()
        )
        registered = ServiceRegistered(service=SERVICE, version="1", components=tuple(described))
        await self.js.publish(subjects.catalogue(SERVICE), registered.to_body())
        assert await self.js.last(CATALOGUE, subjects.catalogue(SERVICE))

    async def start(self, input: Any = None, *, name: str = "bounded", **said: Any) -> str:  # noqa: A002
        """Request a run; return once the router has said that it exists, and has sent it on its way."""
        word = await ask(self.js, "start", name, start_requested(input=input, **said))
        assert isinstance(word, RunAccepted)
        return word.run_id

    async def start_child(self, run_id: str, *, name: str = "bounded") -> str:
        """Have a run `up` ask for a child, at the place `run:<run_id>#0`; return once the router has sent it on."""
        child = ChildRequested(
            run_id=run_id,
            component=name,
            parent=Parent(run_id="up", key=f"run:{run_id}#0"),
            attribution=Attribution(tenant=TENANT),
            correlation_id="correlation-1",
        )
        await self.js.publish(subjects.child(TENANT, name), child.to_body())
        await settled(self.js, REQUESTS, ROUTER_CHILDREN)
        return run_id

    async def publish(self, count: int, input: Any = None, *, name: str = "bounded") -> None:  # noqa: A002
        """Request runs, and wait for no answer."""
        for _ in range(count):
            subject, headers = subjects.request(TENANT, "start", name), {"ce-id": uuid4().hex}
            await self.js.publish(subject, start_requested(input=input).to_body(), headers=headers)

    async def handed_over(self) -> list[str]:
        """List the runs that were handed to their runner, in that order."""
        found: list[str] = []
        start = 1
        while stored := await self.js.following(RUNS, "runs.v1.start.*", start=start):
            found += [RunDispatched.from_body(one.body).run_id for one in stored]
            start = stored[-1].sequence + 1
        return list(dict.fromkeys(found))

    async def until_handed_over(self, *run_ids: str) -> None:
        """Wait until exactly these runs were handed over, in this order."""
        await until(self.handed_over, lambda seen: seen == list(run_ids))

    async def take(self, run_id: str) -> None:
        """Claim a run, as its runner does first."""
        await write_claim(self.js, run_id)

    async def end(self, run_id: str, result: Any = None, *, told: bool = True) -> RunClosed:
        """End a run, taken or not, as its code does; the router is `told` of it, as far as it has heard."""
        if await newest_claim(self.js, run_id) is None:
            await self.take(run_id)
        await write_entry(self.js, run_id, 1, RunFinished(at=AT, end="completed", result=result))
        closed = await self.closed(run_id, result)
        if told:
            await self.tell(closed)
        return closed

    async def closed(self, run_id: str, result: Any = None) -> RunClosed:
        """Write what a runner reports of the end of a run."""
        started = await Runs(self.js).started(run_id)
        assert started is not None
        return RunClosed(
            run_id=run_id,
            end="completed",
            result=result if started.parent else None,
            parent=started.parent,
            gates=started.gates,
            attribution=started.attribution,
        )

    async def tell(self, closed: RunClosed) -> None:
        """Report the end of a run, and wait until the router has heard."""
        await self.js.publish(subjects.inbox(closed.run_id, CLOSED, closed.run_id), closed.to_body())
        await settled(self.js, INBOX, ROUTER_INBOX)

    async def gate(self, limit: Limit, input: Any = None, *, name: str = "bounded") -> GateState:  # noqa: A002
        """Read the state of the gate that a run with this input passes because of a limit."""
        return (await GateLog(self.js, gate_id(TENANT, name, limit, input)).load()).state
