"""Tells whoever waits for what a message asks that it was given up: their call fails, and they do not wait for ever.

A call has one outcome, the first. So a letter that is redriven later has done what it asks for, and changes nothing
for who was told of the failure.
"""

from typing import Any, NamedTuple, cast

from pydantic import ValidationError

from towpath_chassis.burying import Unhandled, is_run_id, said_by, shortened
from towpath_chassis.inbox import keep, taken_live
from towpath_chassis.jetstream import JetStream
from towpath_chassis.journal import newest_outline
from towpath_chassis.payloads import is_by_reference
from towpath_schemas import identity, subjects
from towpath_schemas.calls import Answered
from towpath_schemas.failure import Failure
from towpath_schemas.journal import JournalRecord, RunFinished, RunStarted, read_record

_QUESTIONS = ("answer_id", "invocation_id", "call_id")
"""What the question of an answer may be called; a lost answer is answered as well, or it would be its own repetition."""


class Asker(NamedTuple):
    """Who waits for an answer: a run at `key`, or somebody at a core subject."""

    run_id: str
    key: str
    question_id: str
    reply_to: str | None = None


async def tell_asker(js: JetStream, message: Unhandled, *, reason: str, letter: int) -> None:
    """Tell whoever waits for an answer to a message, if anybody does, that it is the dead letter at place `letter`.

    Raises:
        BrokerError: If they could not be told; tell them again.
    """
    asker = await _asker(js, message)
    if asker is None:
        return
    answer = Answered(
        answer_id=identity.answer_id(asker.question_id),
        run_id=asker.run_id,
        key=asker.key,
        failure=Failure(code="given_up", message=f"{shortened(reason)}; {_remedy(letter)}"),
    )
    if asker.reply_to is not None:
        await js.tell(asker.reply_to, answer.to_body())
    elif not await taken_live(js, asker.run_id, answer.to_body()) and await _started(js, asker.run_id):
        await keep(js, answer)


def _remedy(letter: int) -> str:
    return (
        f"what was asked for is dead letter {letter}: `towpath dead show {letter}` says more, and `towpath dead redrive "
        f"{letter}` has it done all the same, which nobody is told"
    )


async def _asker(js: JetStream, message: Unhandled) -> Asker | None:
    match message.subject.partition(".")[0]:
        case "tools" | "entities" | "children":
            return _asking(await said_by(js, message))
        case "inbox" if is_by_reference(message.headers):  # else it came, and was of no use to its run
            return _asking(await said_by(js, message))
        case "runs":
            return await _parent(js, (await said_by(js, message)).get("run_id"))
        case _:
            return None


def _asking(said: dict[str, Any]) -> Asker | None:
    """Read who asks: the run that a message says itself to be from, or the parent of the one it is about."""
    parent = said.get("parent")
    place = cast("dict[str, Any]", parent) if isinstance(parent, dict) else said
    run_id, key, reply_to = place.get("run_id"), place.get("key"), said.get("reply_to")
    if not is_run_id(run_id) or not isinstance(key, str):
        return None
    if isinstance(reply_to, str) and subjects.is_ours(reply_to):
        return None
    asked = next((said[name] for name in _QUESTIONS if isinstance(said.get(name), str)), None)
    return Asker(run_id, key, asked or identity.call_id(run_id, key), reply_to)


async def _parent(js: JetStream, run_id: object) -> Asker | None:
    """Find the run that waits for one which nobody can take."""
    if not is_run_id(run_id):
        return None
    started = await _started(js, run_id)
    if started is None or started.parent is None:
        return None
    if isinstance(await _newest(js, subjects.journal_of(run_id)), RunFinished):
        return None
    parent, key = started.parent.run_id, started.parent.key
    return Asker(parent, key, identity.call_id(parent, key))


async def _started(js: JetStream, run_id: str) -> RunStarted | None:
    record = await _newest(js, subjects.journal_entry(run_id, 0))
    return record if isinstance(record, RunStarted) else None


async def _newest(js: JetStream, pattern: str) -> JournalRecord | None:
    found = await newest_outline(js, pattern)
    try:
        return read_record(found.body) if found else None
    except ValidationError:  # a newer version wrote it
        return None
