"""Shows a run from its journal: the first entry says what it is, the newest how it is."""

from pydantic import ValidationError

from towpath.errors import UnavailableError
from towpath_chassis.errors import BrokerError
from towpath_chassis.jetstream import JetStream
from towpath_chassis.messages import StoredMessage
from towpath_schemas import subjects
from towpath_schemas.journal import (
    JournalRecord,
    RunFinished,
    RunStarted,
    RunSuspended,
    StartRefused,
    read_record,
)
from towpath_schemas.runs import RunStatus, RunView
from towpath_schemas.streams import JOURNAL


async def view(js: JetStream, run_id: str) -> RunView | None:
    """Show a run; None where there is no such run.

    Raises:
        UnavailableError: If the broker could not be asked.
    """
    first = await entry_0(js, run_id)
    if first is None:
        return None
    newest = await _last(js, subjects.journal_of(run_id))
    return _view(run_id, _read(first), _read(newest or first))


async def entry_0(js: JetStream, run_id: str) -> StoredMessage | None:
    """Read the first entry of a run; None where there is no such run.

    Raises:
        UnavailableError: If the broker could not be asked.
    """
    if subjects.token(run_id) != run_id:
        return None  # no run has such an id
    return await _last(js, subjects.journal_entry(run_id, 0))


async def _last(js: JetStream, subject: str) -> StoredMessage | None:
    try:
        return await js.last(JOURNAL, subject)
    except BrokerError as error:
        raise UnavailableError(f"the journal cannot be read now: {error}") from error


def _read(entry: StoredMessage) -> JournalRecord | None:
    try:
        return read_record(entry.body)
    except ValidationError:
        return None  # a newer version wrote it


def _view(run_id: str, first: JournalRecord | None, newest: JournalRecord | None) -> RunView | None:
    match first:
        case RunStarted():
            end = newest if isinstance(newest, RunFinished) else None
            return RunView(
                run_id=run_id,
                component=first.component,
                component_kind=first.component_kind,
                service=first.service,
                status=_status(newest),
                created_at=first.at,
                finished_at=end.at if end else None,
                result=end.result if end else None,
                failure=end.failure if end else None,
                attribution=first.attribution,
            )
        case StartRefused():
            return RunView(
                run_id=run_id,
                component=_component(first.subject),
                status="refused",
                created_at=first.at,
                finished_at=first.at,
                failure=first.failure,
                attribution=first.attribution,
            )
        case _:
            return None


def _component(subject: str) -> str:
    try:
        return subjects.read_request(subject).target
    except ValueError:
        return subject


def _status(newest: JournalRecord | None) -> RunStatus:
    match newest:
        case RunStarted():
            return "accepted"
        case RunSuspended():
            return "suspended"
        case RunFinished():
            return newest.end
        case _:
            return "running"
