"""A timer is the broker's: it fires while no service is there, and its run goes on as soon as they are back."""

# nats-py is untyped in part, and a plain client is what this is about.
# pyright: reportUnknownMemberType=false

import asyncio
import json
import time
from uuid import uuid4

import pytest
from nats.aio.client import Client
from nats.js.errors import NotFoundError

import towpath
from towpath_schemas import identity
from towpath_schemas.journal import CallSettled
from towpath_schemas.streams import INBOX
from towpath_schemas.subjects import inbox_of, journal_of
from towpath_testkit.settled import until
from towpath_testkit.stage import SERVICES, Stage

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]

SLEEP_S = 3.0


async def test_a_timer_fires_though_all_services_are_stopped_and_its_run_goes_on_when_they_return(
    stage: Stage, plain: Client
) -> None:
    tenant = f"t{uuid4().hex[:8]}"
    run = identity.run_id(tenant, "vigil", "1")
    due_at = time.time() + SLEEP_S
    body = {"input": {"until": due_at}, "idempotency_key": "1"}
    await plain.jetstream().publish(f"requests.v1.{tenant}.start.vigil", json.dumps(body).encode())
    await until(lambda: newest(plain, "JOURNAL", journal_of(run)), lambda last: last.get("act") == "timer")

    await asyncio.gather(*map(stage.kill, SERVICES))
    fired = await until(lambda: newest(plain, INBOX.name, inbox_of(run)), bool, deadline_s=30)
    await asyncio.gather(*map(stage.start, SERVICES))
    back_at = time.time()
    ended = await until(lambda: newest(plain, "JOURNAL", journal_of(run)), lambda last: last.get("end"))

    assert fired
    assert (ended["end"], ended["result"]) == ("completed", "rang")
    fired_at = await moment_of_timer(stage, run)
    assert due_at <= fired_at <= max(due_at, back_at) + 1


async def moment_of_timer(stage: Stage, run: str) -> float:
    """Read when a run was told that its only timer has fired, in seconds since 1970."""
    async with towpath.Client(stage.nats_url) as client:
        (told,) = [record for _, record in await client.journal(run) if isinstance(record, CallSettled)]
    return told.at


async def newest(client: Client, stream: str, subject: str) -> dict[str, object]:
    """Read the newest message of a subject; empty where there is none."""
    try:
        message = await client.jetstream().get_last_msg(stream, subject)
    except NotFoundError:
        return {}
    return json.loads(message.data or b"{}") or {"empty": True}
