"""Executes methods of entities for their owners: a turn is a state and the calls that wait for it, in order."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import structlog
from pydantic import ValidationError

from towpath.components import Registry
from towpath.engine.entity_turns import not_invoked, take_turn
from towpath.runtime.entity_calls import NatsEntities
from towpath_chassis.messages import Message
from towpath_chassis.service import Chassis
from towpath_schemas import subjects
from towpath_schemas.entities import InvocationDone, InvocationRequested, TurnProgress, TurnRequested
from towpath_schemas.payloads import MAX_PAYLOAD_BYTES, too_large

log = structlog.get_logger(__name__)

_SIGN_OF_LIFE_S = 1.0
_WORKING = TurnProgress().to_body()


class EntityHost:
    """Executes turns for the entities whose code this process has."""

    def __init__(self, chassis: Chassis[Any], registry: Registry) -> None:
        self._js = chassis.js
        self._registry = registry
        self._entities = NatsEntities(chassis.js)
        self._drain_s = chassis.settings.drain_s
        self._turns: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def serving(self, service: str) -> AsyncGenerator[None]:
        """Take turns until the end of the block; those begun are finished."""
        subject = subjects.entity_turn(service)
        subscription = await self._js.subscribe(subject, self._on_turn, queue="runners")
        try:
            yield
        finally:
            await self._js.unsubscribe(subscription)
            if self._turns:
                await asyncio.wait(self._turns, timeout=self._drain_s)

    async def _on_turn(self, message: Message) -> None:
        task = asyncio.create_task(self._take_turn(message))
        self._turns.add(task)
        task.add_done_callback(self._turns.discard)

    async def _take_turn(self, message: Message) -> None:
        try:
            turn = TurnRequested.from_body(message.data)
        except ValidationError as error:
            log.error("not a turn", reason=str(error))  # noqa: TRY400 - the sender's fault, a trace says nothing
            return
        living = asyncio.create_task(self._say_working(message))
        try:
            done = await take_turn(self._registry, turn, self._entities)
        finally:
            living.cancel()
        body = TurnProgress(done=done).to_body()
        if len(body) > MAX_PAYLOAD_BYTES:
            body = TurnProgress(done=tuple(_too_large(one, len(body)) for one in turn.invocations)).to_body()
        await self._js.respond(message, body)

    async def _say_working(self, message: Message) -> None:
        while True:
            await self._js.respond(message, _WORKING)
            await asyncio.sleep(_SIGN_OF_LIFE_S)


def _too_large(invocation: InvocationRequested, size: int) -> InvocationDone:
    what = f"the outcome of {invocation.entity_type}.{invocation.method}, its changes included,"
    return not_invoked(invocation, too_large(what, size))
