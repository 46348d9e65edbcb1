"""What the entity store answers at once: shared methods, questions about many runs and about memories, rebuilds."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from towpath_chassis.messages import Message
from towpath_chassis.service import Chassis
from towpath_chassis.subscribing import subscribed
from towpath_chassis.tasks import background
from towpath_entity_store.entities.reading import Reads, misplaced
from towpath_entity_store.runs.questions import Questions
from towpath_entity_store.settings import Settings
from towpath_schemas import subjects
from towpath_schemas.approvals import ApprovalsAsked, ApprovalsListed
from towpath_schemas.calls import Answered
from towpath_schemas.entities import InvocationRequested
from towpath_schemas.failure import Failure
from towpath_schemas.memory import ErasureAsked, ErasureDone, MemoriesFound, MemoryAsked
from towpath_schemas.projections import ProjectionName, RebuildAsked, RebuildProgress
from towpath_schemas.runs import RunsAsked, RunsListed

if TYPE_CHECKING:  # Qdrant's client takes seconds to import, and who has no Qdrant needs none
    from towpath_entity_store.memories.memories import Memories

Rebuild = Callable[[], AsyncGenerator[RebuildProgress]]
"""Builds a projection anew, and says how far it is."""

_QUEUE = "entity-store"
_SAID_EVERY_S = 1.0
_NO_QDRANT = Failure(
    code="unavailable",
    message="memories are searched in Qdrant, and the entity store was given none: set TOWPATH_QDRANT_URL",
)


@asynccontextmanager
async def answering(chassis: Chassis[Settings], reads: Reads, questions: Questions) -> AsyncGenerator[None]:
    """Answer questions until the end of the block."""

    async def on_read(message: Message) -> Answered:
        invocation = InvocationRequested.from_body(message.data)
        if (
            invocation.entity.readings != message.subject
        ):  # whose subject one may use says whose entities one may read
            return misplaced(invocation, message.subject)
        return await reads.answer(invocation, within_s=chassis.settings.read_within_s)

    async def on_runs_asked(message: Message) -> RunsListed:
        return await questions.runs(RunsAsked.from_body(message.data))

    async def on_approvals_asked(message: Message) -> ApprovalsListed:
        return await questions.approvals(ApprovalsAsked.from_body(message.data))

    async with (
        subscribed(chassis, subjects.EVERY_ENTITY_READ, on_read, queue=_QUEUE),
        subscribed(chassis, subjects.runs_index("list"), on_runs_asked, queue=_QUEUE),
        subscribed(chassis, subjects.runs_index("approvals"), on_approvals_asked, queue=_QUEUE),
    ):
        yield


@asynccontextmanager
async def answering_about_memories(
    chassis: Chassis[Settings], memories: "Memories | None"
) -> AsyncGenerator[None]:
    """Answer questions about memories, and erase them, until the end of the block; where there are none, say why."""

    async def on_asked(message: Message) -> MemoriesFound:
        asked = MemoryAsked.from_body(message.data)
        if subjects.memory_question(asked.tenant) != message.subject:
            return MemoriesFound(failure=_of_another_tenant(asked.tenant, message.subject))
        return await memories.questions.answer(asked) if memories else MemoriesFound(failure=_NO_QDRANT)

    async def on_erasure(message: Message) -> ErasureDone:
        asked = ErasureAsked.from_body(message.data)
        if subjects.memory_erasure(asked.attribution.tenant) != message.subject:
            return ErasureDone(failure=_of_another_tenant(asked.attribution.tenant, message.subject))
        return await memories.erasure.erase(asked) if memories else ErasureDone(failure=_NO_QDRANT)

    async with (
        subscribed(chassis, subjects.EVERY_MEMORY_QUESTION, on_asked, queue=_QUEUE),
        subscribed(chassis, subjects.EVERY_MEMORY_ERASURE, on_erasure, queue=_QUEUE),
    ):
        yield


@asynccontextmanager
async def answering_rebuilds(
    chassis: Chassis[Settings], rebuilds: Mapping[ProjectionName, Rebuild]
) -> AsyncGenerator[None]:
    """Build projections anew for who asks, until the end of the block."""

    async def on_rebuild(message: Message) -> RebuildProgress:
        asked, progress = RebuildAsked.from_body(message.data), RebuildProgress()
        rebuild = rebuilds.get(asked.projection)
        if rebuild is None:
            return RebuildProgress(done=True, failure=_NO_QDRANT)

        async def say() -> None:
            while True:
                await chassis.js.respond(message, progress.to_body())
                await asyncio.sleep(_SAID_EVERY_S)

        async with background(say, name=f"rebuild-{asked.projection}"):
            async for progress in rebuild():
                if progress.failure is not None:
                    break
        return progress.model_copy(update={"done": True})

    async with subscribed(chassis, subjects.EVERY_REBUILD, on_rebuild, queue=_QUEUE):
        yield


def _of_another_tenant(tenant: str, subject: str) -> Failure:
    message = f"memories of {tenant!r} are not asked for on {subject}"
    return Failure(code="forbidden", message=message)
