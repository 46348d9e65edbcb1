"""Executes what runs call: functions, tools and methods of entities, each call once."""

import asyncio
from collections.abc import Mapping
from random import Random
from typing import Any

from towpath.engine.call_execution import CallExecution, Journals
from towpath.engine.entity_turns import not_invoked, take_turn
from towpath.engine.ports import Outside
from towpath.local.entity_store import EntityStore
from towpath.testing.environment import Environment
from towpath.testing.stored_run import StoredRun
from towpath.testing.timeline import Timeline
from towpath.values import to_json_value
from towpath_schemas import identity
from towpath_schemas.calls import Answered, CallRequested
from towpath_schemas.entities import InvocationDone, InvocationRequested, TurnRequested
from towpath_schemas.memory import ErasureAsked, ErasureDone, MemoriesFound, MemoryAsked
from towpath_schemas.transactions import TRANSACTION, entities_in, failure_of_call, invocations_in

_TIMEOUT_S = 60.0
"""Seconds an attempt may take where its component does not say, as in a tool-runner."""

_WAITS_S = 540.0
"""Seconds a method of an entity waits for others, as on a platform with the default `turn_deadline_s`."""


class Callees:
    """The functions, tools and entities of one platform.

    Attributes:
        entities: The entities' state.
    """

    def __init__(self, environment: Environment, journals: Journals, runs: Mapping[str, StoredRun]) -> None:
        self.entities = EntityStore(environment.timeline.now)
        self._environment = environment
        self._runs = runs
        self._execution = CallExecution(
            environment.registry,
            self,
            journals,
            timeout_s=_TIMEOUT_S,
            sleep=self._sleep,
            outside=self._outside,
        )
        self._remembered: dict[str, InvocationDone] = {}
        self._begun = 0
        self._sleeping = 0

    @property
    def at_work(self) -> bool:
        """Whether one of them does something other than wait for its next attempt."""
        return self._begun > self._sleeping

    async def call(self, asked: CallRequested) -> Answered:
        """Execute a call of a function or tool."""

        async def show(index: int, chunk: Any, attempt: int) -> None:
            self._runs[asked.run_id].stream(asked.key, index, to_json_value(chunk), attempt)

        self._begun += 1
        try:
            return await self._execution.answer(asked, show)
        finally:
            self._begun -= 1

    async def invoke(self, asked: InvocationRequested) -> Answered:
        """Execute a call of an entity's method: of those of one key, one at a time, in the order in which they came."""
        self._begun += 1
        try:
            if asked.method == TRANSACTION:
                return _answered(asked, await self._transact(asked))
            async with self.entities.writing([asked.entity], asked.callers):
                done = self._remembered.get(asked.invocation_id)
                if done is None:
                    done = await self._take_turn(asked, self.entities.committed(asked.entity))
                    self._remembered[asked.invocation_id] = done
                    self.entities.commit(asked.entity, done.changes)
            return _answered(asked, done)
        finally:
            self._begun -= 1

    async def _transact(self, asked: InvocationRequested) -> InvocationDone:
        """Execute a transaction: nothing is committed before all of its calls have ended well."""
        invocations = invocations_in(asked)
        async with self.entities.writing(entities_in(invocations), asked.callers):
            done = self._remembered.get(asked.invocation_id)
            if done is None:
                done = self._remembered[asked.invocation_id] = await self._transacted(asked, invocations)
        return done

    async def _transacted(
        self, asked: InvocationRequested, invocations: tuple[InvocationRequested, ...]
    ) -> InvocationDone:
        states = {name: dict(self.entities.committed(name)) for name in entities_in(invocations)}
        ended: list[InvocationDone] = []
        for number, one in enumerate(invocations):
            done = await self._take_turn(one, states[one.entity])
            if done.failure is not None:
                return not_invoked(asked, failure_of_call(one, number, done.failure))
            states[one.entity] = done.changes.applied_to(states[one.entity])
            ended.append(done)
        for one, done in zip(invocations, ended, strict=True):
            self.entities.commit(one.entity, done.changes)
        return InvocationDone(invocation_id=asked.invocation_id, result=[done.result for done in ended])

    async def read(self, asked: InvocationRequested) -> Answered:
        """Execute a shared method of an entity on its committed state."""
        committed = self.entities.committed(asked.entity)
        return _answered(asked, await self._take_turn(asked, committed, read_only=True))

    async def ask_memory(self, asked: MemoryAsked) -> MemoriesFound:
        """Ask about memories."""
        return await self.entities.ask_memory(asked)

    async def erase_memory(self, asked: ErasureAsked) -> ErasureDone:
        """Erase memories."""
        return await self.entities.erase_memory(asked)

    async def _take_turn(
        self, asked: InvocationRequested, state: Mapping[str, Any], *, read_only: bool = False
    ) -> InvocationDone:
        turn = TurnRequested(
            entity_type=asked.entity_type,
            entity_key=asked.entity_key,
            state=dict(state),
            invocations=(asked,),
            read_only=read_only,
            waits_s=_WAITS_S,
        )
        (done,) = await take_turn(self._environment.registry, turn, self, self._outside())
        return done

    def _outside(self) -> Outside:
        time = _CallTime(self._environment.timeline)
        return Outside(time.now, time.sleep, self._chance)

    def _chance(self, key: str) -> Random:
        return Random(f"{self._environment.seed}/{key}")  # noqa: S311 - repeatable, not secret

    async def _sleep(self, seconds: float) -> None:
        self._sleeping += 1
        try:
            await self._environment.timeline.sleep(seconds)
        finally:
            self._sleeping -= 1


class _CallTime:
    """The time of one call. That of a platform may stand still while a call sleeps, which its own clock does not."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._slept_until = 0.0

    def now(self) -> float:
        """Tell the time."""
        return max(self._timeline.now(), self._slept_until)

    async def sleep(self, seconds: float) -> None:
        """Wait, as long as it takes: the platform waits for the call meanwhile."""
        until = self.now() + seconds
        await asyncio.sleep(seconds)
        self._slept_until = max(self._slept_until, until)


def _answered(asked: InvocationRequested, done: InvocationDone) -> Answered:
    return Answered(
        answer_id=identity.answer_id(asked.invocation_id),
        run_id=asked.run_id,
        key=asked.key,
        result=done.result,
        failure=done.failure,
    )
