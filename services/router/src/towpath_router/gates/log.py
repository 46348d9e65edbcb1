"""The log of a gate in the broker: read, appended to, and forgotten where nothing depends on it any more.

A record is taken only from who has read the one before it. The log begins with a record beside which the state after
it is kept, or with one that was written when nobody was inside or waiting.
"""

from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import NamedTuple

from towpath_chassis.errors import AlreadyWrittenError, FencedError, UnconfirmedError
from towpath_chassis.jetstream import JetStream
from towpath_chassis.messages import Expect
from towpath_router.gates.state import GateState
from towpath_schemas import subjects
from towpath_schemas.gates import GateMoved, GateStatePart
from towpath_schemas.streams import GATES

_PAGE = 256
_ATTEMPTS = 5


class Place(NamedTuple):
    """How far a log was read: the number of its last record, and the sequence of that in the stream; 0 before any."""

    number: int = 0
    sequence: int = 0


class Read(NamedTuple):
    """A state, how far the log was read for it, and how many records that were."""

    state: GateState
    place: Place
    records: int


class GapError(Exception):
    """The log does not go on from where it was read: it was forgotten in between."""


class GateLog:
    """The log of one gate."""

    def __init__(self, js: JetStream, gate_id: str) -> None:
        self._js = js
        self._gate_id = gate_id
        self._subject = subjects.gate(gate_id)

    async def load(self) -> Read:
        """Read the whole log.

        Raises:
            UnconfirmedError: If the broker could not be asked, or others forgot the log again and again meanwhile.
        """
        for _ in range(_ATTEMPTS):
            with suppress(GapError):
                return await self._load()
        raise UnconfirmedError(f"the log of gate {self._gate_id} has no beginning")

    async def catch_up(self, state: GateState, place: Place) -> Read:
        """Read on, and move `state`.

        Raises:
            GapError: If the log does not go on from there; load it again, since `state` may have moved.
            UnconfirmedError: If the broker could not be asked.
        """
        records = 0
        async for moved, sequence in self._since(place):
            if moved.number != place.number + 1:
                raise GapError
            state.apply(moved)
            place, records = Place(moved.number, sequence), records + 1
        return Read(state, place, records)

    async def _since(self, place: Place) -> AsyncGenerator[tuple[GateMoved, int]]:
        """Yield the records after a place, where the one at the place is still there."""
        start, skipped = max(place.sequence, 1), place.sequence == 0
        while stored := await self._js.following(GATES, self._subject, start=start, limit=_PAGE):
            for message in stored:
                if not skipped and message.sequence != place.sequence:
                    raise GapError
                if skipped:
                    yield GateMoved.from_body(message.body), message.sequence
                skipped = True
            start = stored[-1].sequence + 1
            if len(stored) < _PAGE:
                break
        if not skipped:
            raise GapError

    async def append(self, moved: GateMoved, *, after: Place) -> Place:
        """Write the next record.

        Raises:
            FencedError: If there is one that was not read.
            UnconfirmedError: If it is not known whether it is written.
        """
        stored = await self._js.publish(self._subject, moved.to_body(), expect=Expect(after.sequence))
        return Place(moved.number, stored.sequence)

    async def keep_state(self, state: GateState, place: Place) -> None:
        """Keep the state after a record, and forget the records before it.

        Raises:
            BrokerError: If it could not be done to its end; the log can be read all the same.
        """
        first = 0
        for number, part in enumerate(state.parts()):
            with suppress(FencedError, AlreadyWrittenError):  # another router does the same
                subject = subjects.gate_state(self._gate_id, place.sequence, number)
                stored = await self._js.publish(subject, part.to_body(), expect=Expect(0))
                first = first or stored.sequence
        await self._js.purge(GATES, self._subject, before=place.sequence)
        if first:
            await self._js.purge(GATES, subjects.gate_states_of(self._gate_id), before=first)

    async def forget(self, place: Place) -> None:
        """Forget all up to a record, after which nobody was inside or waiting, and nothing due.

        The state after that record may be kept: it is stored behind it.
        """
        if place.sequence == 0:
            return  # nothing was read; and to purge before the first is to purge all
        await self._js.purge(GATES, self._subject, before=place.sequence + 1)
        await self._js.purge(GATES, subjects.gate_states_of(self._gate_id), before=place.sequence + 1)
        await self._js.purge(GATES, subjects.gate_state_at(self._gate_id, place.sequence))

    async def _load(self) -> Read:
        beginning = await self._js.following(GATES, self._subject, start=1, limit=1)
        if not beginning:
            return Read(GateState(), Place(), 0)
        moved = GateMoved.from_body(beginning[0].body)
        place = Place(moved.number, beginning[0].sequence)
        state = await self._state_at(place)
        if state is None:
            if not moved.from_blank:
                raise GapError
            state = GateState()
            state.apply(moved)
        return await self.catch_up(state, place)

    async def _state_at(self, place: Place) -> GateState | None:
        pattern = subjects.gate_state_at(self._gate_id, place.sequence)
        stored = await self._js.newest_of_each(GATES, pattern)
        parts = [GateStatePart.from_body(one.body) for one in stored]
        return GateState.restored(parts) if parts and len(parts) == parts[0].parts else None
