"""What the router listens to: decodes each message and calls the work."""

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TypeVar

from pydantic import ValidationError

from towpath_chassis import inbox
from towpath_chassis.delivery import GiveUp
from towpath_chassis.messages import Message
from towpath_chassis.pulling import pulled
from towpath_chassis.service import Chassis
from towpath_router.children import Children
from towpath_router.door import Door
from towpath_router.ending import Ending
from towpath_router.followers import Followers
from towpath_router.passing import Passage
from towpath_router.requests import Request
from towpath_router.schedules.due import DueSchedules
from towpath_router.settings import Settings
from towpath_router.waking import Waker
from towpath_schemas import subjects
from towpath_schemas.calls import ChildRequested, RunClosed, RunFollowed
from towpath_schemas.gates import GateTicked
from towpath_schemas.schedules import ScheduleDue
from towpath_schemas.shape import Shape, problems
from towpath_schemas.streams import (
    INBOX,
    REQUESTS,
    ROUTER_CHILDREN,
    ROUTER_INBOX,
    ROUTER_REQUESTS,
    ROUTER_SCHEDULES,
    SCHEDULES,
)

ShapeT = TypeVar("ShapeT", bound=Shape)


@asynccontextmanager
async def handling(
    chassis: Chassis[Settings],
    *,
    door: Door,
    waker: Waker,
    children: Children,
    ending: Ending,
    passage: Passage,
    followers: Followers,
    due: DueSchedules,
) -> AsyncGenerator[None]:
    """Serve the public door, the runners' door, the runs' inboxes and the schedules until the end of the block."""

    async def on_request(message: Message) -> None:
        await door.take(_request(message))

    async def on_child(message: Message) -> None:
        child = _decoded(message, ChildRequested)
        _check_place(message, subjects.child(child.attribution.tenant, child.component))
        await children.start(child, traceparent=_request(message).traceparent)

    async def on_event(message: Message) -> None:
        _, kind = subjects.read_inbox(message.subject)
        match kind:
            case inbox.CLOSED:
                closed = _decoded(message, RunClosed)
                _check_place(message, subjects.inbox(closed.run_id, inbox.CLOSED, closed.run_id))
                await ending.conclude(closed)
            case inbox.GATE:
                ticked = _decoded(message, GateTicked)
                await passage.look(ticked.gate_id, at=ticked.at)
                await chassis.js.delete(INBOX, message.metadata.sequence.stream)
            case inbox.FOLLOWER:
                await followers.tell(_decoded(message, RunFollowed).run_id)
            case inbox.START:
                await waker.on_due(message.subject, message.metadata.sequence.stream)
            case _:
                await waker.on_event(message.subject, message.data, message.metadata.sequence.stream)

    async def on_schedule(message: Message) -> None:
        tenant, name = subjects.read_schedule(message.subject)
        now = max(time.time(), message.metadata.timestamp.timestamp())  # our clock may be behind the broker's
        await due.look(tenant, name, _decoded(message, ScheduleDue), now=now)

    capacity = chassis.settings.workers
    async with (
        pulled(chassis, REQUESTS, ROUTER_REQUESTS, subjects.EVERY_REQUEST, on_request, capacity=capacity),
        pulled(chassis, REQUESTS, ROUTER_CHILDREN, subjects.EVERY_CHILD, on_child, capacity=capacity),
        pulled(chassis, INBOX, ROUTER_INBOX, subjects.EVERY_INBOX_EVENT, on_event, capacity=capacity),
        pulled(
            chassis, SCHEDULES, ROUTER_SCHEDULES, subjects.EVERY_SCHEDULE_DUE, on_schedule, capacity=capacity
        ),
    ):
        yield


def _request(message: Message) -> Request:
    place = message.metadata
    return Request.received(
        message.subject, message.headers, message.data, sequence=place.sequence.stream, at=place.timestamp
    )


def _decoded(message: Message, shape: type[ShapeT]) -> ShapeT:
    try:
        return shape.from_body(message.data)
    except ValidationError as error:
        raise GiveUp(f"this is no {shape.__name__}: {problems(error)}") from error


def _check_place(message: Message, place: str) -> None:
    """See that a message came to where what it says belongs: only that place was anybody allowed to use."""
    if message.subject != place:
        raise GiveUp(f"what it says belongs to {place!r}, and came to {message.subject!r}")
