"""Forks runs: makes a new one that has done what another had done, up to an act, and goes on from there by itself."""

from typing import NamedTuple, TypeGuard

from towpath_chassis.errors import AlreadyWrittenError, FencedError
from towpath_chassis.jetstream import JetStream
from towpath_chassis.journal import read_journal
from towpath_chassis.messages import Expect
from towpath_router.requests import Asked, RefusedError
from towpath_router.runs import Runs
from towpath_router.starting import Starter
from towpath_schemas import identity, subjects
from towpath_schemas.journal import (
    ActAttemptFailed,
    ActGivenUp,
    AttemptFailed,
    CallIntended,
    CallSettled,
    CancelReceived,
    HandedOff,
    JournalRecord,
    RunStarted,
    SignalReceived,
    SignalReturned,
    StepSettled,
    ValueDrawn,
)
from towpath_schemas.object_keys import JOIN, LEAVE, OBJECT_KEY
from towpath_schemas.requests import ForkRequested, RunAccepted

_NAMED = 20

_OfAct = StepSettled | CallIntended | CallSettled | ActAttemptFailed | ActGivenUp | ValueDrawn | HandedOff
_Begun = CallIntended | ActAttemptFailed
_TakenOver = _OfAct | SignalReceived | SignalReturned | CancelReceived | AttemptFailed
"""What replay goes by. That a run was held, dropped or paused says nothing about another."""

_JOINED, _LEFT = f"{OBJECT_KEY}.{JOIN}", f"{OBJECT_KEY}.{LEAVE}"


class _Fork(NamedTuple):
    """A run as it would be made: its id, its first entry, and the entries that follow."""

    run_id: str
    started: RunStarted
    past: list[JournalRecord]


class Forker:
    """Makes forks; making one again finds it."""

    def __init__(self, js: JetStream, runs: Runs, starter: Starter) -> None:
        self._js = js
        self._runs = runs
        self._starter = starter

    async def fork(self, asked: Asked[ForkRequested]) -> RunAccepted:
        """Make a run that goes on where another was before an act, on behalf of the same.

        Raises:
            RefusedError: If the tenant has no such run, or the run has no such act.
        """
        await self._runs.named(asked)
        fork = _fork(asked, *await self._records(asked.target))
        existed = await self._starter.write_down(fork.run_id, fork.started)
        if not (existed and await self._starter.is_handed_on(fork.run_id)):
            for number, record in enumerate(fork.past, start=1):
                await self._copy(fork.run_id, number, record)
            await self._starter.send_on(fork.run_id)
        return RunAccepted(run_id=fork.run_id, component=fork.started.component, existed=existed)

    async def _records(self, run_id: str) -> tuple[RunStarted, list[JournalRecord]]:
        records = [record for _, record in await read_journal(self._js, run_id)]
        return next(record for record in records if isinstance(record, RunStarted)), records

    async def _copy(self, run_id: str, number: int, record: JournalRecord) -> None:
        """Write an entry of a fork: one after the other, since their order is what replay repeats."""
        place = subjects.journal_entry(run_id, number)
        try:
            await self._js.publish(place, record.to_body(), expect=Expect(0))
        except (FencedError, AlreadyWrittenError):
            return  # the request was delivered again


def _fork(asked: Asked[ForkRequested], origin: RunStarted, records: list[JournalRecord]) -> _Fork:
    key = asked.said.idempotency_key or asked.own_id
    taken_over = past(records, asked.said.until)
    changed = {
        "at": asked.at,
        "forked_by": asked.by,
        "correlation_id": asked.own_id,
        "traceparent": asked.traceparent,
        "parent": None,
        "continues": None,
        "line": None,
        "forked_from": asked.target,
        "taken_over": len(taken_over),
        "gates": tuple(gate for gate in origin.gates if not gate.merges),
    }
    return _Fork(
        identity.fork_run_id(asked.target, asked.said.until, key),
        origin.model_copy(update=changed),
        taken_over,
    )


def past(records: list[JournalRecord], until: str) -> list[JournalRecord]:
    """Pick what a fork takes over of a run: what was done before the act `until` began.

    What had begun by then and not ended is done anew, and so is a step that held object keys: they are the other
    run's. What models consumed was consumed by the other run.

    Raises:
        RefusedError: If the run has no such act.
    """
    cut = next((place for place, record in enumerate(records) if _is_of(record, until)), None)
    if cut is None:
        raise RefusedError("malformed", f"until is {until!r}, which the run has not done; {_known(records)}")
    before = _without_held([record for record in records[:cut] if isinstance(record, _TakenOver)])
    ended = {record.key for record in before if isinstance(record, _OfAct) and not isinstance(record, _Begun)}
    return [
        record.model_copy(update={"usage": None}) if isinstance(record, CallSettled) else record
        for record in before
        if not isinstance(record, _Begun) or record.key in ended
    ]


def _without_held(records: list[_TakenOver]) -> list[_TakenOver]:
    """Leave out the steps of a flow that were in the lines of their object keys, with their work not done."""
    joined = {_step_of(one) for one in records if isinstance(one, CallIntended) and one.target == _JOINED}
    left = {_step_of(one) for one in records if isinstance(one, CallIntended) and one.target == _LEFT}
    done = {_step_of(one) for one in records if _is_done(one)}
    held = tuple(f"{step}/" for step in joined - left - done)
    return [one for one in records if not (isinstance(one, _OfAct) and one.key.startswith(held))]


def _is_done(record: _TakenOver) -> TypeGuard[CallSettled]:
    return isinstance(record, CallSettled) and record.act == "task" and record.failure is None


def _step_of(record: _OfAct) -> str:
    """Name the place of the step of a flow that an act is of."""
    return record.key.rpartition("/")[0]


def _is_of(record: JournalRecord, key: str) -> bool:
    """Tell whether a record belongs to an act: is it, or was done inside of it."""
    return isinstance(record, _OfAct) and (record.key == key or record.key.startswith(f"{key}/"))


def _known(records: list[JournalRecord]) -> str:
    keys = list(dict.fromkeys(record.key for record in records if isinstance(record, _OfAct)))
    if not keys:
        return "it has done nothing yet"
    more = f" and {len(keys) - _NAMED} more" if len(keys) > _NAMED else ""
    return f"name one of: {', '.join(keys[:_NAMED])}{more}"
