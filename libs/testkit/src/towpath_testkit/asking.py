"""Asks the router as anyone with a NATS client can, and hears what it says."""

import asyncio
from uuid import uuid4

from pydantic import ValidationError

from towpath_chassis.jetstream import JetStream
from towpath_chassis.listening import listening
from towpath_schemas import subjects
from towpath_schemas.requests import RequestDone, Requested, RequestRefused, RunAccepted
from towpath_testkit.builders import TENANT

Word = RequestDone | RunAccepted | RequestRefused

_HEARD_WITHIN_S = 10.0


async def ask(
    js: JetStream,
    verb: str,
    target: str,
    asked: Requested,
    *,
    tenant: str = TENANT,
    request_id: str | None = None,
    headers: dict[str, str] | None = None,
) -> Word:
    """Publish a request, and return the router's word on it; `request_id` is made up unless given."""
    said: asyncio.Queue[bytes] = asyncio.Queue()
    reply_to = f"my-answers.{uuid4().hex}"
    body = asked.model_copy(update={"reply_to": reply_to}).to_body()
    named = {**(headers or {}), "ce-id": request_id or uuid4().hex}
    async with listening(js, reply_to, lambda _subject, heard: said.put_nowait(heard)):
        await js.publish(subjects.request(tenant, verb, target), body, headers=named)
        async with asyncio.timeout(_HEARD_WITHIN_S):
            return _read(await said.get())


def _read(body: bytes) -> Word:
    for shape in (RequestDone, RunAccepted):
        try:
            return shape.from_body(body)
        except ValidationError:
            continue
    return RequestRefused.from_body(body)


def code_of(word: Word) -> str | None:
    """Tell why a request was refused; None where it was not."""
    return word.failure.code if isinstance(word, RequestRefused) else None
