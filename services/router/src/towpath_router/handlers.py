"""What the router subscribes to: decodes each message and calls the work."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

from nats.aio.msg import Msg

from towpath_chassis.service import Chassis
from towpath_chassis.subscribing import subscribed
from towpath_router.admission import Admission, Request
from towpath_router.settings import Settings
from towpath_router.waking import Waker
from towpath_schemas import subjects
from towpath_schemas.streams import INBOX, REQUESTS, ROUTER_INBOX, ROUTER_REQUESTS


@asynccontextmanager
async def handling(chassis: Chassis[Settings], admission: Admission, waker: Waker) -> AsyncGenerator[None]:
    """Serve the public door and the runs' inboxes until the end of the block."""

    async def on_request(message: Msg) -> None:
        place = f"{message.metadata.sequence.stream}:{message.metadata.timestamp.isoformat()}"
        await admission.admit(Request.received(message.subject, message.headers, message.data, place))

    async def on_event(message: Msg) -> None:
        await waker.on_event(message.subject, message.data, message.metadata.sequence.stream)

    workers = chassis.settings.workers
    async with AsyncExitStack() as stack:
        for stream, consumer, subject, handle in (
            (REQUESTS, ROUTER_REQUESTS, subjects.EVERY_REQUEST, on_request),
            (INBOX, ROUTER_INBOX, subjects.EVERY_INBOX_EVENT, on_event),
        ):
            await stack.enter_async_context(
                subscribed(chassis, stream, consumer, subject, handle, workers=workers),
            )
        yield
