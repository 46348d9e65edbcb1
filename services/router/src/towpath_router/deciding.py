"""Decides approvals: once, by somebody with the right to it, about exactly what was shown, in time."""

from datetime import UTC, datetime
from typing import Any

from towpath_chassis.errors import FencedError
from towpath_chassis.inbox import keep, place_of
from towpath_chassis.jetstream import JetStream
from towpath_chassis.journal import read_journal
from towpath_chassis.messages import Expect
from towpath_router.requests import Asked, RefusedError
from towpath_router.runs import Runs
from towpath_schemas import identity, subjects
from towpath_schemas.approvals import ApprovalAsked, read_approval_id
from towpath_schemas.calls import Answered
from towpath_schemas.journal import CallIntended, CallSettled, RunFinished, read_record
from towpath_schemas.requests import DecisionRequested, RequestDone
from towpath_schemas.streams import INBOX, JOURNAL


class Decider:
    """Takes decisions about approvals.

    A decision is made of nothing but its request, so a request that comes again recognises its own.
    """

    def __init__(self, js: JetStream, runs: Runs) -> None:
        self._js = js
        self._runs = runs

    async def decide(self, asked: Asked[DecisionRequested]) -> RequestDone:
        """Decide an approval; of several decisions the first counts.

        Raises:
            RefusedError: If there is no such approval, whoever asks may not decide it, or it is not to be decided
                any more.
        """
        run_id, intent = await self._found(asked)
        _check(asked, intent)
        answer = _answer(asked, run_id, intent.key)
        if not await self._is_first(answer):
            raise _stale(f"approval {asked.target!r} is decided already, or its run waits for it no more")
        return RequestDone(subject=asked.request.subject, targets=(run_id,))

    async def _found(self, asked: Asked[DecisionRequested]) -> tuple[str, CallIntended]:
        try:
            run_id, number = read_approval_id(asked.target)
        except ValueError as error:
            raise RefusedError("unknown_run", str(error)) from error
        started = await self._runs.started(run_id)
        if started is not None and started.attribution.tenant == asked.tenant:
            found = await self._js.last(JOURNAL, subjects.journal_entry(run_id, number))
            record = read_record(found.body) if found else None
            if isinstance(record, CallIntended) and record.act == "approval":
                return run_id, record
        message = f"there is no approval {asked.target!r} of {asked.tenant!r}; take its id from the list of approvals"
        raise RefusedError("unknown_run", message)

    async def _is_first(self, answer: Answered) -> bool:
        """Bring the answer to the run, unless there is another; tell whether the approval is decided by this one."""
        if (decided := await self._decided(answer)) is not None:
            return _is_same(decided, answer.result)
        try:
            kept = await keep(self._js, answer, expect=Expect(0))
        except FencedError:
            return _is_same(await self._decided(answer), answer.result)
        return not kept.duplicate or _is_same(await self._decided(answer), answer.result)

    async def _decided(self, answer: Answered) -> Any:
        """Read how an approval was decided, or that it cannot be any more; None where it can.

        A decision is in the inbox until it is in the journal, so it is found if it is looked for in this order.
        """
        found = await self._js.last(INBOX, place_of(answer))
        if found is not None:
            return Answered.from_body(found.body).result
        records = [record for _, record in await read_journal(self._js, answer.run_id)]
        for record in records:
            if isinstance(record, CallSettled) and record.key == answer.key:
                return record.result or record.failure
        return records[-1] if isinstance(records[-1], RunFinished) else None


def _check(asked: Asked[DecisionRequested], intent: CallIntended) -> None:
    """See that whoever asks may decide this, now.

    Raises:
        RefusedError: If not.
    """
    shown, said = ApprovalAsked.model_validate(intent.input), asked.said
    if shown.roles and asked.by.user_role not in shown.roles:
        raise RefusedError(
            "forbidden",
            f"approval {intent.target!r} is for {', '.join(shown.roles)}; attribution.user_role is {asked.by.user_role!r}",
        )
    if said.content_sha256 not in {None, shown.content_sha256}:
        raise _stale(
            f"content_sha256 is not that of approval {intent.target!r}: look at what it is about, and decide again"
        )
    if intent.until is not None and asked.at >= intent.until:
        raise _stale(f"approval {intent.target!r} has expired at {_moment(intent.until)}")


def _answer(asked: Asked[DecisionRequested], run_id: str, key: str) -> Answered:
    result = {
        "decision": asked.said.decision,
        "approver": asked.by.user_id,
        "at": _moment(asked.at),
        "comment": asked.said.comment,
    }
    answer_id = identity.answer_id(asked.target)
    return Answered(answer_id=answer_id, run_id=run_id, key=key, result=result)


def _is_same(decided: Any, decision: dict[str, Any]) -> bool:
    """Tell whether an approval was decided just so; a request that is asked again, as its answer was lost, is later."""
    return isinstance(decided, dict) and {**decided, "at": None} == {**decision, "at": None}


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


def _stale(message: str) -> RefusedError:
    return RefusedError("stale_approval", message)
