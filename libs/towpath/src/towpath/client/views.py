"""Shows a run from its journal: the first entry says what it is, the newest how it is."""

from pydantic import ValidationError

from towpath.errors import UnavailableError, UnknownRunError
from towpath_chassis.editions import undeployed
from towpath_chassis.errors import BrokerError, PayloadLostError
from towpath_chassis.jetstream import JetStream
from towpath_chassis.journal import newest_outline
from towpath_chassis.letters import place_of_run
from towpath_chassis.messages import StoredMessage
from towpath_chassis.payloads import is_by_reference
from towpath_schemas import subjects
from towpath_schemas.failure import Failure
from towpath_schemas.identity import successor_run_id
from towpath_schemas.journal import (
    AttemptFailed,
    JournalRecord,
    PauseReceived,
    RunFinished,
    RunPurged,
    RunStarted,
    RunSuspended,
    StartRefused,
    read_record,
)
from towpath_schemas.runs import RunStatus, RunView
from towpath_schemas.streams import JOURNAL, LINES
from towpath_schemas.succession import RunLine


async def view(js: JetStream, run_id: str) -> RunView | None:
    """Show a run; None where there is no such run.

    Raises:
        UnavailableError: If the broker could not be asked.
    """
    stored = await entry_0(js, run_id)
    if stored is None:
        return None
    match first := _read(stored):
        case RunStarted():
            newest = await _newest(js, subjects.journal_of(run_id))
            return await _started(js, run_id, first, newest or stored)
        case StartRefused():
            return _refused(run_id, first)
        case _:
            return None


async def was_purged(js: JetStream, run_id: str) -> bool:
    """Tell whether a run is known to have been purged; some days later, nothing of it is known any more.

    Raises:
        UnavailableError: If the broker could not be asked.
    """
    newest = await _newest(js, subjects.journal_of(run_id))
    return newest is not None and isinstance(_read(newest), RunPurged)


async def tenant_of(js: JetStream, run_id: str) -> str:
    """Tell whose a run is.

    Raises:
        UnknownRunError: If there is no such run.
        UnavailableError: If the broker could not be asked.
    """
    stored = await entry_0(js, run_id)
    match first := _read(stored) if stored else None:
        case RunStarted() | StartRefused():
            return first.attribution.tenant
        case _:
            line = await line_of_forgotten(js, run_id)
    if line is None:
        raise UnknownRunError(run_id)
    return line.tenant


async def line_of(js: JetStream, run_id: str) -> RunLine | None:
    """Tell which run goes on from one that has continued as new; None while none is about to.

    Raises:
        UnknownRunError: If all that went on from it are forgotten; it names the first of them.
        UnavailableError: If the broker could not be asked.
    """
    stored = await entry_0(js, run_id)
    started = _read(stored) if stored else None
    if not isinstance(started, RunStarted):
        return await line_of_forgotten(js, run_id)
    line = await _line(js, started.line.first if started.line else run_id)
    if line is None and started.line is not None:  # it had a record of its own, which goes with the last
        raise UnknownRunError(successor_run_id(run_id))
    return line


async def line_of_forgotten(js: JetStream, run_id: str) -> RunLine | None:
    """Tell which run goes on from one that is purged; None where none does.

    Raises:
        UnavailableError: If the broker could not be asked.
    """
    if subjects.token(run_id) != run_id:
        return None  # no run has such an id
    newest = await _newest(js, subjects.journal_of(run_id))
    note = _read(newest) if newest else None
    if newest is not None and not isinstance(note, RunPurged):
        return None
    return await _line(js, note.line if isinstance(note, RunPurged) and note.line else run_id)


async def _line(js: JetStream, first: str) -> RunLine | None:
    try:
        stored = await js.last(LINES, subjects.line(first))
    except BrokerError as error:
        raise UnavailableError(f"it cannot be read now which run goes on: {error}") from error
    return RunLine.from_body(stored.body) if stored else None


async def entry_0(js: JetStream, run_id: str) -> StoredMessage | None:
    """Read the first entry of a run, without an input that is large; None where there is no such run.

    Raises:
        UnavailableError: If the broker could not be asked.
    """
    if subjects.token(run_id) != run_id:
        return None  # no run has such an id
    return await _newest(js, subjects.journal_entry(run_id, 0))


async def _newest(js: JetStream, subject: str) -> StoredMessage | None:
    try:
        return await newest_outline(js, subject)
    except BrokerError as error:
        raise UnavailableError(f"the journal cannot be read now: {error}") from error


def _read(entry: StoredMessage) -> JournalRecord | None:
    try:
        return read_record(entry.body)
    except ValidationError:
        return None  # a newer version wrote it


async def _started(js: JetStream, run_id: str, first: RunStarted, stored: StoredMessage) -> RunView:
    newest = _read(stored)
    if isinstance(newest, RunFinished):
        ended = await _with_result(js, run_id, newest) if is_by_reference(stored.headers) else newest
        return RunView.ended(run_id, first, ended, letter=await _letter(js, run_id, first, ended))
    return RunView(
        run_id=run_id,
        component=first.component,
        component_kind=first.component_kind,
        service=first.service,
        status=await _status(js, run_id, newest),
        created_at=first.at,
        attribution=first.attribution,
        waiting_for=newest.waiting_for if isinstance(newest, RunSuspended) else (),
        parent=first.parent.run_id if first.parent else None,
        attempts=newest.attempt if isinstance(newest, AttemptFailed) else None,
        blocked=await _undeployed(js, first),
    )


async def _undeployed(js: JetStream, first: RunStarted) -> str | None:
    try:
        return await undeployed(js, first)
    except BrokerError as error:
        raise UnavailableError(f"the catalogue cannot be read now: {error}") from error


async def _letter(js: JetStream, run_id: str, first: RunStarted, ended: RunFinished) -> int | None:
    if not ended.leaves_letter(first.component_kind):
        return None
    try:
        return await place_of_run(js, run_id, first.service)
    except BrokerError as error:
        raise UnavailableError(f"the dead letters cannot be read now: {error}") from error


async def _with_result(js: JetStream, run_id: str, outline: RunFinished) -> RunFinished:
    """Read how a run ended, a large result included; where that is lost, the failure says so."""
    try:
        found = await js.last(JOURNAL, subjects.journal_of(run_id))
    except PayloadLostError as error:
        failure = Failure(code="payload_missing", message=f"the result of run {run_id} is lost: {error}")
        return outline.model_copy(update={"failure": failure})
    except BrokerError as error:
        raise UnavailableError(f"the journal cannot be read now: {error}") from error
    whole = _read(found) if found else None
    return whole if isinstance(whole, RunFinished) else outline


async def _status(js: JetStream, run_id: str, newest: JournalRecord | None) -> RunStatus:
    match newest:
        case RunStarted():
            claimed = await _newest(js, subjects.claims_of(run_id))
            return "running" if claimed else "accepted"
        case RunSuspended():
            return "suspended"
        case PauseReceived(paused=True):
            return "paused"
        case _:
            return "running"


def _refused(run_id: str, refused: StartRefused) -> RunView:
    return RunView(
        run_id=run_id,
        component=_component(refused.subject),
        status="refused",
        created_at=refused.at,
        finished_at=refused.at,
        failure=refused.failure,
        attribution=refused.attribution,
    )


def _component(subject: str) -> str:
    try:
        return subjects.read_request(subject).target
    except ValueError:
        return subject
