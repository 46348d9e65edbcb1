"""Makes the runs that other runs ask for, and what passes between a parent and its child when either ends."""

import time
from collections.abc import Iterable
from typing import Any

from towpath_chassis.delivery import GiveUp
from towpath_chassis.inbox import keep
from towpath_chassis.jetstream import JetStream
from towpath_router.catalogue import Catalogue, Offer
from towpath_router.requests import RefusedError
from towpath_router.runs import Runs
from towpath_router.starting import Starter
from towpath_router.succession import Legacy, Succession
from towpath_schemas import identity
from towpath_schemas.attribution import Attribution
from towpath_schemas.calls import Answered, ChildRequested, ControlSent
from towpath_schemas.failure import Failure
from towpath_schemas.journal import CallIntended, CallSettled, JournalRecord, Parent, RunStarted
from towpath_schemas.limits import GatePassed


class Children:
    """Starts child runs, and those that go on in another's place."""

    def __init__(
        self, js: JetStream, catalogue: Catalogue, runs: Runs, starter: Starter, succession: Succession
    ) -> None:
        self._js = js
        self._catalogue = catalogue
        self._runs = runs
        self._starter = starter
        self._succession = succession

    async def start(
        self, child: ChildRequested, *, traceparent: str | None = None, gates: tuple[GatePassed, ...] = ()
    ) -> None:
        """Start a run that another asks for; asking again finds it.

        One that goes on from another has its `gates`, and is made even if nobody offers its component any more: then it
        waits for a runner, or for somebody who ends it, as that other one would.

        Raises:
            GiveUp: If nobody offers the component, and no parent waits to hear that.
        """
        legacy = await self._succession.legacy(child.continues, child) if child.continues else None
        if child.continues is not None and legacy is None:
            return  # what it goes on from is forgotten, which is only done once it is made
        found = await self._catalogue.find(child.component, service=child.service) or await self._before(
            child
        )
        if found is None:
            await self._refuse(child)
            return
        started = RunStarted(
            at=time.time(),
            component=child.component,
            component_kind=found.kind,
            service=found.service,
            version=found.version,
            input=child.input,
            attribution=child.attribution,
            correlation_id=child.correlation_id,
            traceparent=traceparent,
            headers=child.headers,
            parent=child.parent,
            continues=child.continues,
            line=legacy.line if legacy else None,
            gates=gates,
            priority=child.priority,
        )
        try:
            if child.continues is not None and legacy is not None:
                await self._write_down(child.run_id, started, legacy, before=child.continues)
            await self._starter.start(child.run_id, started)
        except RefusedError as refused:
            if child.continues is None:
                await self._answer_or_give_up(child, refused.failure)
            return  # else it was made before, has ended, and is forgotten
        if child.parent is not None and child.parent.close_policy == "cancel":
            await self._end_with(child.parent, child)

    async def _before(self, child: ChildRequested) -> Offer | None:
        """Tell who had the code of the run that one goes on from, if it does."""
        before = await self._runs.started(child.continues) if child.continues else None
        return Offer(before.service, before.component_kind, before.version) if before else None

    async def _write_down(self, run_id: str, started: RunStarted, legacy: Legacy, *, before: str) -> None:
        """Make a run that goes on from another, and bring it what that one leaves; it is not on its way yet."""
        tenant = started.attribution.tenant
        await self._succession.announce(run_id, legacy.line, previous=before, tenant=tenant)
        await self._starter.write_down(run_id, started)
        await self._succession.hand_over(before, run_id, legacy)

    async def _refuse(self, child: ChildRequested) -> None:
        message = self._catalogue.unknown(child.component, service=child.service)
        await self._answer_or_give_up(child, Failure(code="unknown_component", message=message))

    async def _answer_or_give_up(self, child: ChildRequested, failure: Failure) -> None:
        if child.parent is None:
            raise GiveUp(failure)
        await keep(self._js, answer_to(child.parent, failure=failure))

    async def _end_with(self, parent: Parent, child: ChildRequested) -> None:
        """End a child whose parent ended before the child was made: nobody else knows of it.

        The look comes after the child exists, so either this or the parent's end sees the other.
        """
        if await self._runs.finished(parent.run_id) is not None:
            await keep(self._js, orphaned(child.run_id, parent.run_id, child.attribution))


def answer_to(parent: Parent, *, result: Any = None, failure: Failure | None = None) -> Answered:
    """Write what a parent is told of its child's end; told again, it is the same answer."""
    call = identity.call_id(parent.run_id, parent.key)
    return Answered(
        answer_id=identity.answer_id(call),
        run_id=parent.run_id,
        key=parent.key,
        result=result,
        failure=failure,
    )


def orphaned(child: str, parent: str, by: Attribution) -> ControlSent:
    """Write the wish that a child end because its parent has."""
    return ControlSent(
        event_id=identity.derived_id("orphaned", parent, child),
        run_id=child,
        control="cancel",
        reason="its parent has ended",
        attribution=by,
    )


def ending_with(run_id: str, records: Iterable[JournalRecord]) -> tuple[str, ...]:
    """List the children that end when the run does: begun, not ended, and not detached."""
    begun: dict[str, CallIntended] = {}
    for record in records:
        if isinstance(record, CallIntended) and record.act == "run":
            begun[record.key] = record
        elif isinstance(record, CallSettled):
            begun.pop(record.key, None)
    known = {
        key: intent.input for key, intent in begun.items() if intent.input is not None
    }  # others are lost
    attached = (key for key, asked in known.items() if asked["join"] != "detached")
    return tuple(identity.child_run_id(run_id, key) for key in attached)
