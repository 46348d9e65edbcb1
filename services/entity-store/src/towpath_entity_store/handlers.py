"""What the entity store answers at once: shared methods, and questions about many runs."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from towpath_chassis.messages import Message
from towpath_chassis.service import Chassis
from towpath_chassis.subscribing import subscribed
from towpath_entity_store.entities.reading import Reads
from towpath_entity_store.runs.questions import Questions
from towpath_entity_store.settings import Settings
from towpath_schemas import subjects
from towpath_schemas.approvals import ApprovalsAsked, ApprovalsListed
from towpath_schemas.calls import Answered
from towpath_schemas.entities import InvocationRequested
from towpath_schemas.runs import RunsAsked, RunsListed

_QUEUE = "entity-store"


@asynccontextmanager
async def answering(chassis: Chassis[Settings], reads: Reads, questions: Questions) -> AsyncGenerator[None]:
    """Answer questions until the end of the block."""

    async def on_read(message: Message) -> Answered:
        invocation = InvocationRequested.from_body(message.data)
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
