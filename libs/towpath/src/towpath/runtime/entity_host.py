"""Executes methods of entities for their owners: a turn is a state and the calls that wait for it, in order."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import AbstractContextManager, asynccontextmanager
from typing import Any

import structlog
from pydantic import ValidationError

from towpath.components import ComponentType, Registry
from towpath.engine.entity_turns import not_invoked, take_turn
from towpath.runtime.entity_calls import NatsEntities
from towpath_chassis.editions import Editions
from towpath_chassis.messages import Message
from towpath_chassis.service import Chassis
from towpath_chassis.telemetry import CALL
from towpath_schemas import subjects
from towpath_schemas.components import CodeOffered
from towpath_schemas.entities import (
    InvocationDone,
    InvocationRequested,
    TurnProgress,
    TurnRequested,
    TurnsRequested,
)
from towpath_schemas.payloads import MAX_PAYLOAD_BYTES, too_large
from towpath_schemas.telemetry import COMPONENT, KEY, RUN_ID

log = structlog.get_logger(__name__)

_SIGN_OF_LIFE_S = 1.0

Outcomes = tuple[InvocationDone, ...]


class EntityHost:
    """Executes turns for the entities whose code this process has."""

    def __init__(self, chassis: Chassis[Any], registry: Registry) -> None:
        self._js, self._tracing = chassis.js, chassis.tracing
        self._registry = registry
        self._entities = NatsEntities(chassis.js)
        self._drain_s = chassis.settings.drain_s
        self._talks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def serving(self, service: str) -> AsyncGenerator[None]:
        """Take turns until the end of the block; those begun are finished."""
        subject = subjects.entity_turn(service)
        subscription = await self._js.subscribe(subject, self._on_turns, queue="runners")
        try:
            yield
        finally:
            await self._js.unsubscribe(subscription)
            if self._talks:
                await asyncio.wait(self._talks, timeout=self._drain_s)

    async def _on_turns(self, message: Message) -> None:
        talk = asyncio.create_task(self._take_turns(message))
        self._talks.add(talk)
        talk.add_done_callback(self._talks.discard)

    async def _take_turns(self, message: Message) -> None:
        """Execute turns, each for itself; tell of each that has ended, and in between that we live."""
        try:
            asked = TurnsRequested.from_body(message.data)
        except ValidationError as error:
            log.error("no turns", reason=str(error))  # noqa: TRY400 - the sender's fault, a trace says nothing
            return
        taking = {
            asyncio.create_task(self._take_turn(turn)): number for number, turn in enumerate(asked.turns)
        }
        while taking:
            ended, _ = await asyncio.wait(
                taking, timeout=_SIGN_OF_LIFE_S, return_when=asyncio.FIRST_COMPLETED
            )
            in_order = [task for task in taking if task in ended]
            done = {taking.pop(task): _outcomes(task) for task in in_order}
            if left := tuple(number for number, one in done.items() if one is None):
                await self._js.respond(message, TurnProgress(elsewhere=left).to_body())
            for body in _bodies({number: one for number, one in done.items() if one}, asked.turns):
                await self._js.respond(message, body)

    async def _take_turn(self, turn: TurnRequested) -> Outcomes | None:
        """Execute a turn; None if it is left to others, before any of it has begun."""
        if await self._is_elsewhere(turn):
            return None
        return await take_turn(self._registry, turn, self._entities, traced=self._traced)

    def _traced(self, asked: InvocationRequested) -> AbstractContextManager[str | None]:
        """Record the span of a call, below its caller's: a turn may have calls of many traces."""
        component = f"{asked.entity_type}.{asked.method}"
        attributes = {RUN_ID: asked.run_id, COMPONENT: component, KEY: asked.key}
        return self._tracing.span(CALL, parent=asked.traceparent, attributes=attributes)

    async def _is_elsewhere(self, turn: TurnRequested) -> bool:
        """Tell whether other runners of the service have what is not here: it is being upgraded."""
        methods = {one.method for one in turn.invocations}
        component = self._registry.find(ComponentType.ENTITY, turn.entity_type)
        if component is not None and methods <= component.methods.keys():
            return False
        code = CodeOffered(kind="entity", name=turn.entity_type, methods=tuple(sorted(methods)))
        return await Editions(self._js, turn.invocations[0].service).offer(code)


def _outcomes(ended: "asyncio.Task[Outcomes | None]") -> Outcomes | None:
    """Read what a turn came to; nothing, and its owner will ask again, where its code has ended the task itself."""
    reason = "cancelled" if ended.cancelled() else ended.exception()
    if reason is None:
        return ended.result()
    log.error("a turn has no outcome", reason=str(reason))
    return ()


def _bodies(done: dict[int, Outcomes], turns: tuple[TurnRequested, ...]) -> Iterable[bytes]:
    """Tell what turns came to, in one message where it fits."""
    body = TurnProgress(done=done).to_body()
    if len(body) <= MAX_PAYLOAD_BYTES:
        yield body
    elif len(done) > 1:
        for number, outcomes in done.items():
            yield from _bodies({number: outcomes}, turns)
    else:
        (number,) = done
        failed = tuple(_too_large(one, len(body)) for one in turns[number].invocations)
        yield TurnProgress(done={number: failed}).to_body()


def _too_large(invocation: InvocationRequested, size: int) -> InvocationDone:
    what = f"the outcome of {invocation.entity_type}.{invocation.method}, its changes included,"
    return not_invoked(invocation, too_large(what, size))
