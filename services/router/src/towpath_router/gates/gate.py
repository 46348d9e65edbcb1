"""One gate in the memory of this process: its state as far as its log was read, and those who want it moved.

Who wants it moved while a record is on its way waits, and goes into the next one with all others who do.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import islice
from typing import NamedTuple

import structlog

from towpath_chassis.errors import BrokerError, FencedError, UnconfirmedError
from towpath_router.gates.log import GapError, GateLog, Place, Read
from towpath_router.gates.state import GateState, Outcome
from towpath_schemas.gates import Due, GateEvent, GateLooked, GateMoved, Ruling

log = structlog.get_logger(__name__)

_KEPT_EVERY = 256
_TOGETHER = 256
_DONE_TOGETHER = 2_000

RulingNow = Callable[[Ruling], Ruling]
"""Tells the rule that holds now, from the one that held when somebody looked last."""

Arm = Callable[[float], Awaitable[None]]
"""Has the broker tell at a moment that it is to be looked at."""


class Decided(NamedTuple):
    """What is to be done by who told a gate of an event.

    Attributes:
        due: What the event led to; where it changed nothing, since it came before, all that nobody here does.
        is_new: Whether that was decided just now, so nobody has done it.
    """

    due: tuple[Due, ...]
    is_new: bool


class _Told(NamedTuple):
    event: GateEvent
    ruling: Ruling | None
    at: float
    decided: "asyncio.Future[Decided]"


class Gate:
    """One gate.

    Attributes:
        used_at: When it was told of something last, by the loop's clock.
    """

    def __init__(self, gate_log: GateLog, ruling_now: RulingNow, arm: Arm) -> None:
        self._log = gate_log
        self._ruling_now = ruling_now
        self._arm = arm
        self._state: GateState | None = None
        self._place = Place()
        self._records = 0
        self._armed: float | None = None
        self._done: dict[Due, None] = {}
        self._in_hand: set[Due] = set()
        self._told: list[_Told] = []
        self._turn = asyncio.Lock()
        self.used_at = 0.0

    # --- Telling it -------------------------------------------------------------------------------

    async def tell(self, event: GateEvent, *, ruling: Ruling | None = None, at: float = 0.0) -> Decided:
        """Tell it that something happened, now or at the later moment `at`; telling it again changes nothing.

        Whoever tells does what is due, and says of each part that it is `done`, or `let_go`.

        Args:
            event: What happened.
            ruling: The rule as who comes knows it; None where it is known.
            at: Seconds since 1970.

        Raises:
            BrokerError: If it is not known whether it was told; tell it again.
        """
        loop = asyncio.get_running_loop()
        self.used_at = loop.time()
        told = _Told(event, ruling, at, loop.create_future())
        self._told.append(told)
        async with self._turn:
            if not told.decided.done():
                await self._move_for(self._next())
        return await told.decided

    async def knows(self, run_id: str) -> bool:
        """Tell whether a run is inside, waits, or has something due."""
        async with self._turn:
            return (await self._caught_up()).knows(run_id)

    def has_inside(self, run_id: str) -> bool:
        """Tell whether a run has passed and counts, as far as is known here."""
        return self._state is not None and run_id in self._state.inside

    def done(self, due: Due) -> None:
        """Say that something due is done; the log hears of it with the next record."""
        self._in_hand.discard(due)
        self._done[due] = None

    def let_go(self, *some: Due) -> None:
        """Say that something due was not done, after all; what is done stays so."""
        self._in_hand.difference_update(some)

    @property
    def is_waited_for(self) -> bool:
        """Whether somebody waits, as far as is known here."""
        return self._state is not None and bool(self._state.line)

    # --- Forgetting it ----------------------------------------------------------------------------

    @property
    def is_idle(self) -> bool:
        """Whether nobody here is about to move it."""
        return not (self._told or self._in_hand or self._turn.locked())

    async def forget_if_blank(self) -> None:
        """Have the broker forget a gate where nobody is, and nothing is due."""
        async with self._turn:
            state = self._state
            if state is not None and state.is_blank(time.time()) and self._done.keys() >= set(state.due):
                await self._log.forget(self._place)
                self._state = None

    # --- Moving it --------------------------------------------------------------------------------

    def _next(self) -> list[_Told]:
        some, self._told = self._told[:_TOGETHER], self._told[_TOGETHER:]
        return some

    async def _move_for(self, some: list[_Told]) -> None:
        try:
            outcomes = await self._move(some)
            await self._keep_moment()
        except Exception as error:  # noqa: BLE001 - everybody who told it hears of it
            _fail(some, error)
        except BaseException:
            _fail(some, UnconfirmedError("the process is stopping"))
            raise
        else:
            for told, outcome in zip(some, outcomes, strict=True):
                looks = isinstance(told.event, GateLooked)
                told.decided.set_result(self._taken_in_hand(outcome, looks=looks))

    async def _move(self, some: list[_Told]) -> list[Outcome]:
        """Write what changes something as one record; what does not, by all that is written, happened before."""
        events = tuple(told.event for told in some)
        is_current = False
        while True:
            state = self._state or await self._caught_up()
            at = max(time.time(), *(told.at for told in some))
            ruling = self._other_ruling(state, some)
            if ruling is not None or any(state.changes(event, at) for event in events):
                looked = (GateLooked(),) if ruling is not None else ()
                with suppress(FencedError):
                    outcomes = await self._write(state, (*looked, *events), ruling, at)
                    return _with_first(outcomes) if looked else outcomes
                is_current = False
            elif is_current:
                return [Outcome(changed=False, due=())] * len(events)
            await self._caught_up()
            is_current = True

    def _other_ruling(self, state: GateState, some: list[_Told]) -> Ruling | None:
        """Tell the rule that holds from now on; None where it is the one that did."""
        known = state.ruling or next((told.ruling for told in some if told.ruling), None)
        now = self._ruling_now(known) if known else None
        return None if now == state.ruling else now

    async def _write(
        self, state: GateState, events: tuple[GateEvent, ...], ruling: Ruling | None, at: float
    ) -> list[Outcome]:
        from_blank = state.is_blank(max(state.now, at))  # then it may become the first record
        moved = GateMoved(
            number=self._place.number + 1,
            at=at,
            from_blank=from_blank,
            ruling=ruling or (state.ruling if from_blank else None),
            events=events,
            done=tuple(islice(self._done, _DONE_TOGETHER)),
        )
        try:
            self._place = await self._log.append(moved, after=self._place)
        except UnconfirmedError:
            self._state = None
            raise
        outcomes = state.apply(moved)
        self._records += 1
        for done in moved.done:
            self._done.pop(done, None)
        await self._keep_state(state)
        return outcomes

    async def _keep_state(self, state: GateState) -> None:
        if self._records < max(_KEPT_EVERY, state.size):
            return
        try:
            await self._log.keep_state(state, self._place)
        except BrokerError as error:
            log.info("the state of a gate was not kept; it will be", reason=str(error))
        else:
            self._records = 0

    async def _caught_up(self) -> GateState:
        """Read what others wrote; all of it, where nothing was read or it was forgotten in between."""
        state, self._state = self._state, None  # it moves while it is read
        read = await self._read(state)
        self._state, self._place = read.state, read.place
        self._records += read.records
        if read.records:
            self._armed = None  # whoever wrote them may have had the broker tell at another moment instead
        return read.state

    async def _read(self, state: GateState | None) -> Read:
        if state is not None:
            with suppress(GapError):
                return await self._log.catch_up(state, self._place)
        self._records, self._armed = 0, None
        return await self._log.load()

    async def _keep_moment(self) -> None:
        """Have the broker tell when the first in line may pass."""
        wakes_at = self._state.wakes_at() if self._state else None
        if wakes_at is not None and wakes_at != self._armed:
            await self._arm(wakes_at)
            self._armed = wakes_at

    def _taken_in_hand(self, outcome: Outcome, *, looks: bool) -> Decided:
        is_new = outcome.changed and not looks
        known = outcome.due if is_new or self._state is None else self._state.due
        due = tuple(one for one in known if one not in self._in_hand and one not in self._done)
        self._in_hand.update(due)
        return Decided(due, is_new)


def _with_first(outcomes: list[Outcome]) -> list[Outcome]:
    """Have the first who told of something do also what the new rule led to."""
    looked, first, *others = outcomes
    return [Outcome(first.changed, looked.due + first.due), *others]


def _fail(some: list[_Told], error: Exception) -> None:
    for told in some:
        told.decided.set_exception(error)
        told.decided.exception()  # who told it may be gone
