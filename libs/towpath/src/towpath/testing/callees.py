"""Executes what runs call: functions, tools and methods of entities, each call once."""

from towpath.components import Registry
from towpath.engine.call_execution import CallExecution
from towpath.engine.entity_turns import take_turn
from towpath.local.entity_store import EntityStore
from towpath.testing.timeline import Timeline
from towpath_schemas import identity
from towpath_schemas.calls import Answered, CallRequested
from towpath_schemas.entities import InvocationDone, InvocationRequested, TurnRequested

_TIMEOUT_S = 60.0
"""Seconds an attempt may take where its component does not say, as in a tool-runner."""


class Callees:
    """The functions, tools and entities of one platform.

    Attributes:
        entities: The entities' state.
    """

    def __init__(self, registry: Registry, timeline: Timeline) -> None:
        self.entities = EntityStore()
        self._registry = registry
        self._timeline = timeline
        self._execution = CallExecution(registry, timeout_s=_TIMEOUT_S, sleep=self._sleep)
        self._begun = 0
        self._sleeping = 0

    @property
    def at_work(self) -> bool:
        """Whether one of them does something other than wait for its next attempt."""
        return self._begun > self._sleeping

    async def call(self, asked: CallRequested) -> Answered:
        """Execute a call of a function or tool."""
        self._begun += 1
        try:
            return await self._execution.answer(asked, _ignore)
        finally:
            self._begun -= 1

    async def invoke(self, asked: InvocationRequested) -> Answered:
        """Execute a call of an entity's method: of those of one key, one at a time, in the order in which they came."""
        place = (asked.entity_type, asked.entity_key)
        self._begun += 1
        try:
            async with self.entities.writing(place):
                done = await self._take_turn(asked, read_only=False)
                self.entities.commit(place, done.changes.values, frozenset(done.changes.deleted))
            return _answered(asked, done)
        finally:
            self._begun -= 1

    async def read(self, asked: InvocationRequested) -> Answered:
        """Execute a shared method of an entity on its committed state."""
        return _answered(asked, await self._take_turn(asked, read_only=True))

    async def _take_turn(self, asked: InvocationRequested, *, read_only: bool) -> InvocationDone:
        state = dict(self.entities.committed((asked.entity_type, asked.entity_key)))
        turn = TurnRequested(
            entity_type=asked.entity_type,
            entity_key=asked.entity_key,
            state=state,
            invocations=(asked,),
            read_only=read_only,
        )
        (done,) = await take_turn(self._registry, turn)
        return done

    async def _sleep(self, seconds: float) -> None:
        self._sleeping += 1
        try:
            await self._timeline.sleep(seconds)
        finally:
            self._sleeping -= 1


async def _ignore(_index: int, _chunk: object) -> None:
    """Show nobody what a function streams."""


def _answered(asked: InvocationRequested, done: InvocationDone) -> Answered:
    return Answered(
        answer_id=identity.answer_id(asked.invocation_id),
        run_id=asked.run_id,
        key=asked.key,
        result=done.result,
        failure=done.failure,
    )
