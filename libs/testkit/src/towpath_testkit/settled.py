"""Waiting for a state, never for a time: each asks until it is so, and fails with what it saw last."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

from towpath_chassis.errors import UnconfirmedError
from towpath_chassis.jetstream import JetStream
from towpath_schemas.streams import Stream

Seen = TypeVar("Seen")

DEADLINE_S = 15.0
_ASK_EVERY_S = 0.01


async def until(
    look: Callable[[], Awaitable[Seen]],
    holds: Callable[[Seen], object],
    *,
    deadline_s: float = DEADLINE_S,
) -> Seen:
    """Look until what is seen is as it should be, and return it.

    Raises:
        AssertionError: If it is not within `deadline_s` seconds; the message has what was seen last.
    """
    ends_at = time.monotonic() + deadline_s
    last: Any = "nothing"
    while time.monotonic() < ends_at:
        try:
            last = seen = await look()
            if holds(seen):
                return seen
        except UnconfirmedError as error:  # the broker may have been killed by the test itself
            last = error
        await asyncio.sleep(_ASK_EVERY_S)
    raise AssertionError(f"not within {deadline_s:g} s; last seen: {last!r}")


async def settled(
    js: JetStream, stream: Stream, consumer: str, *, deadline_s: float = DEADLINE_S
) -> dict[str, Any]:
    """Wait until nothing waits for a consumer or is in its hands; return the broker's word on it.

    The broker tells a consumer of a new message only after its publisher, so the newest message is asked for too.
    """

    async def look() -> dict[str, Any]:
        said = await js.api(f"CONSUMER.INFO.{stream.name}.{consumer}")
        patterns = said["config"].get("filter_subjects") or [said["config"].get("filter_subject", ">")]
        newest = [await js.last(stream, pattern, whole=False) for pattern in patterns]
        return {**said, "newest": max((message.sequence for message in newest if message), default=0)}

    return await until(look, _is_settled, deadline_s=deadline_s)


def _is_settled(said: dict[str, Any]) -> bool:
    there_is_none = said["num_pending"] == said["num_ack_pending"] == 0
    return there_is_none and bool(said["delivered"]["stream_seq"] >= said["newest"])


async def messages_in(js: JetStream, stream: Stream) -> int:
    """Count the messages of a stream."""
    return int((await js.api(f"STREAM.INFO.{stream.name}"))["state"]["messages"])


async def until_there_are(js: JetStream, stream: Stream, count: int) -> None:
    """Wait until a stream has so many messages: the broker handles acknowledgements in its own time."""
    await until(partial(messages_in, js, stream), lambda seen: seen == count)


async def until_so(holds: Callable[[], object], *, deadline_s: float = DEADLINE_S) -> None:
    """Wait until something in this process is as it should be."""

    async def look() -> object:
        return holds()

    await until(look, bool, deadline_s=deadline_s)
