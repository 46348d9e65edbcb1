"""What the router listens to: decodes each message and calls the work."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from towpath_chassis.messages import Message
from towpath_chassis.pulling import pulled
from towpath_chassis.service import Chassis
from towpath_chassis.subscribing import subscribed
from towpath_router.admission import Admission, Request
from towpath_router.catalogue import Catalogue
from towpath_router.settings import Settings
from towpath_router.waking import Waker
from towpath_schemas import subjects
from towpath_schemas.streams import INBOX, REQUESTS, ROUTER_INBOX, ROUTER_REQUESTS


@asynccontextmanager
async def handling(
    chassis: Chassis[Settings],
    catalogue: Catalogue,
    admission: Admission,
    waker: Waker,
) -> AsyncGenerator[None]:
    """Serve the public door and the runs' inboxes until the end of the block."""

    async def on_registration(_message: Message) -> None:
        await catalogue.load()

    async def on_request(message: Message) -> None:
        place = f"{message.metadata.sequence.stream}:{message.metadata.timestamp.isoformat()}"
        await admission.admit(Request.received(message.subject, message.headers, message.data, place))

    async def on_event(message: Message) -> None:
        await waker.on_event(message.subject, message.data, message.metadata.sequence.stream)

    capacity = chassis.settings.workers
    async with (
        subscribed(chassis, subjects.EVERY_REGISTRATION, on_registration, workers=1),
        pulled(chassis, REQUESTS, ROUTER_REQUESTS, subjects.EVERY_REQUEST, on_request, capacity=capacity),
        pulled(chassis, INBOX, ROUTER_INBOX, subjects.EVERY_INBOX_EVENT, on_event, capacity=capacity),
    ):
        yield
