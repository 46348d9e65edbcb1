"""Dead letters written by hand, as a consumer that gave up would have left them."""

import time
from typing import Any

from towpath_chassis.burying import Unhandled, bury
from towpath_chassis.jetstream import JetStream
from towpath_chassis.letters import Letter, letters
from towpath_schemas.attribution import Attribution
from towpath_schemas.dead import LetterFilter
from towpath_schemas.streams import DEAD, TOOLS, Stream, tools_consumer
from towpath_testkit.builders import SERVICE, TENANT, call_requested


async def give_up(
    js: JetStream,
    subject: str,
    body: bytes | None = None,
    *,
    stream: Stream = TOOLS,
    sequence: int = 1,
    tenant: str = TENANT,
    headers: dict[str, str] | None = None,
    reason: str = "the runner is broken",
) -> int:
    """Give up a message of the tenant; return the place of its letter."""
    call = call_requested(attribution=Attribution(tenant=tenant))
    message = Unhandled(
        stream.name,
        tools_consumer(SERVICE),
        subject,
        sequence,
        time.time(),
        headers,
        call.to_body() if body is None else body,
    )
    await bury(js, message, reason=reason, attempts=3)
    return await js.last_sequence(DEAD)


async def all_letters(js: JetStream, **only: Any) -> list[Letter]:
    """Read the letters that are meant, in the order in which they were kept."""
    return [one async for page in letters(js, LetterFilter(**only)) for one in page]
