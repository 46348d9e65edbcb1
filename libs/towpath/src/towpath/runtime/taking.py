"""Takes a run that was dispatched: claims it, which fences out whoever had it before, and reads how far it is."""

import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic import ValidationError

from towpath.components import Registry
from towpath.engine.execution import component_of
from towpath.engine.history import History
from towpath.runtime.closing import conclude
from towpath.runtime.deadly import times_resumed
from towpath.runtime.journal import Journal
from towpath.runtime.salvaging import end_lost
from towpath_chassis.delivery import Disowned, GiveUp, RetryLater
from towpath_chassis.editions import Editions, code_of, undeployed
from towpath_chassis.errors import FencedError, NoResponderError, PayloadLostError, UnconfirmedError
from towpath_chassis.insisting import until_answered
from towpath_chassis.journal import claim, first_claimed_at, newest_claim, newest_outline
from towpath_chassis.messages import Message
from towpath_chassis.service import Chassis
from towpath_chassis.snapshots import read_long_journal
from towpath_schemas import subjects
from towpath_schemas.calls import RunDispatched, RunHeld
from towpath_schemas.journal import JournalRecord, RunFinished, RunPurged, RunStarted, read_record
from towpath_schemas.shape import problems

_ALIVE_WITHIN_S = 1.0
_ELSEWHERE_AFTER_S = 0.2


@dataclass(frozen=True, slots=True)
class TakenRun:
    """A run that was claimed, before it is held.

    Attributes:
        dispatch: The place in RUNS of the dispatch by which it was taken.
        journal: Where its next records are written, under the claim.
        is_new: Whether nobody had it before.
        losses: How often it was taken up since anything came of that.
        begun_at: When it was taken first, in seconds since 1970, where its time is limited.
    """

    run_id: str
    dispatch: int
    started: RunStarted
    history: History
    journal: Journal
    is_new: bool
    losses: int
    begun_at: float | None


class Taking:
    """Takes runs of one service for this process."""

    def __init__(self, chassis: Chassis[Any], registry: Registry) -> None:
        self._chassis = chassis
        self._js = chassis.js
        self._registry = registry

    async def take(self, dispatched: RunDispatched, message: Message) -> TakenRun | None:
        """Claim a run and read its journal; None if there is nothing to do about it by this dispatch.

        It has ended or is forgotten, somebody holds it and is well, or it was dispatched anew.

        Args:
            dispatched: The run, and why it is handed over.
            message: How that came.

        Raises:
            Disowned: If another process is taking the run right now, maybe by this very message, or holds it by this.
            GiveUp: If there is no such run.
            RetryLater: If its code is elsewhere, or is that of a version which is deployed nowhere.
        """
        await self._check_code(dispatched)
        journal = await self._claim(dispatched, message)
        return None if journal is None else await self._read(dispatched, journal, message)

    async def is_held(self, run_id: str, message: Message) -> bool:
        """Tell whether somebody holds a run and is well: they do what it was dispatched for.

        Raises:
            Disowned: If they hold it by this very message, which then only they may acknowledge. It may have been
                delivered to us before, and to them while this process stood still.
        """
        try:
            answer = await self._js.request(subjects.live(run_id), b"", within_s=_ALIVE_WITHIN_S)
        except (NoResponderError, UnconfirmedError):
            return False
        if RunHeld.from_body(answer.data).dispatch == place_of(message):
            raise Disowned("another runner holds the run by this very message")
        return True

    async def was_ended(self, run_id: str) -> bool:
        """Tell whether a run was ended by the router, or forgotten: what is left to do about it is not ours.

        Raises:
            UnconfirmedError: If the broker could not be asked.
        """
        newest = await newest_claim(self._js, run_id)
        if newest is None or not (newest.ends or newest.forgets):
            return False
        return await self._has_ended(run_id)

    async def _check_code(self, dispatched: RunDispatched) -> None:
        """See that a run is not claimed in vain: others may have the code that is not here.

        Raises:
            RetryLater: If they have, or the run began with a version that nobody has any more.
        """
        started = await self._started(dispatched)
        if started is None or component_of(started, self._registry) is not None:
            return
        if await self._has_ended(dispatched.run_id):
            return  # its end may be left to tell, for which no code is needed
        if reason := await undeployed(self._js, started):
            raise RetryLater(reason)
        if await Editions(self._js, started.service).offer(code_of(started)):
            message = (
                f"another runner of {started.service!r} has {started.component_kind} {started.component!r}"
            )
            raise RetryLater(message, after_s=_ELSEWHERE_AFTER_S)

    async def _started(self, dispatched: RunDispatched) -> RunStarted | None:
        if dispatched.first_entry is not None:
            record = read_record(dispatched.first_entry.encode())
        else:
            record = await self._newest(subjects.journal_entry(dispatched.run_id, 0))
        return record if isinstance(record, RunStarted) else None

    async def _has_ended(self, run_id: str) -> bool:
        return isinstance(await self._newest(subjects.journal_of(run_id)), RunFinished | RunPurged)

    async def _newest(self, subject: str) -> JournalRecord | None:
        try:
            entry = await newest_outline(self._js, subject)
        except PayloadLostError:
            return None  # whoever has claimed the run ends it because of that
        return read_record(entry.body) if entry else None

    async def _is_forgotten(self, run_id: str) -> bool:
        return isinstance(await self._newest(subjects.journal_of(run_id)), RunPurged)

    async def _claim(self, dispatched: RunDispatched, message: Message) -> Journal | None:
        """Claim the run; None if somebody holds it and is well, or it is forgotten.

        Raises:
            Disowned: If another process is taking the run right now, maybe by this very message, or holds it by this.
        """
        runner = self._chassis.settings.instance
        if is_first(dispatched, message):
            with suppress(FencedError):
                return Journal(self._js, await claim(self._js, dispatched.run_id, runner, epoch=1))
            if await self.is_held(dispatched.run_id, message):
                return None
        try:
            newest = await newest_claim(self._js, dispatched.run_id)
            if newest is not None and newest.forgets and await self._is_forgotten(dispatched.run_id):
                return None
            epoch = newest.epoch + 1 if newest else 1
            return Journal(self._js, await claim(self._js, dispatched.run_id, runner, epoch=epoch))
        except FencedError as lost:
            raise Disowned("another runner was faster") from lost

    async def _read(self, dispatched: RunDispatched, journal: Journal, message: Message) -> TakenRun | None:
        """Read the history of a claimed run; None if it has ended, is being forgotten, or was dispatched anew."""
        if journal.epoch == 1 and dispatched.first_entry is not None:
            entries = [(0, read_record(dispatched.first_entry.encode()))]
        else:
            try:
                entries = await read_long_journal(self._js, dispatched.run_id)
            except PayloadLostError as lost:
                await end_lost(self._chassis, journal, lost)
                return None
        if any(isinstance(record, RunPurged) for _, record in entries[-1:]):
            return None  # whoever forgets the run removes this claim, too
        history = History(entries)
        if history.started is None:
            raise GiveUp(f"run {dispatched.run_id} has no first entry")
        if history.finished is not None:
            await conclude(self._chassis, dispatched.run_id, history, was_woken=True)
            return None
        was_delivered = message.metadata.num_delivered > 1
        if history.suspended and was_delivered and dispatched.epoch != journal.epoch - 1:
            await self._dispatch_anew(history.started, journal)
            return None
        is_new = dispatched.first_entry is not None and journal.epoch == 1 and not history.started.gates
        lost = times_resumed(record for _, record in reversed(entries))
        begun_at = await self._begun_at(journal, history.started)
        return TakenRun(
            dispatched.run_id,
            place_of(message),
            history.started,
            history,
            journal,
            is_new=is_new,
            losses=lost,
            begun_at=begun_at,
        )

    async def _dispatch_anew(self, started: RunStarted, journal: Journal) -> None:
        """Have a suspended run taken by a message of its own, however long the broker is away.

        The one that brought us here had been delivered before. Whoever suspended the run may have held it by that one
        and acknowledge it late: then nothing would be left of the run, if this process died.
        """
        recover = RunDispatched(run_id=journal.run_id, reason="recover", epoch=journal.epoch)
        subject = subjects.dispatch("resume", started.service)
        message_id = f"recover:{journal.run_id}:{journal.epoch}"
        await until_answered(partial(self._js.publish, subject, recover.to_body(), message_id=message_id))

    async def _begun_at(self, journal: Journal, started: RunStarted) -> float | None:
        """Tell when a run was taken first: it may have waited before, for its moment, its turn or a runner."""
        component = component_of(started, self._registry)
        if component is None or component.timeout_s is None:
            return None
        return time.time() if journal.epoch == 1 else await first_claimed_at(self._js, journal.run_id)


def place_of(message: Message) -> int:
    """Tell the place of a dispatch in RUNS."""
    return message.metadata.sequence.stream


def is_first(dispatched: RunDispatched, message: Message) -> bool:
    """Tell whether nobody can have taken the run yet, as far as is known here."""
    return dispatched.reason == "start" and message.metadata.num_delivered == 1


def read_dispatch(message: Message) -> RunDispatched:
    """Read a dispatch.

    Raises:
        GiveUp: If it is none.
    """
    try:
        return RunDispatched.from_body(message.data)
    except ValidationError as error:
        raise GiveUp(f"this is no dispatch: {problems(error)}") from error
