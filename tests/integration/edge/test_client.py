"""What a program outside the platform can do with it."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from towpath import (
    Client,
    ComponentError,
    NotSerialisableError,
    RequestRefusedError,
    UnavailableError,
    UnknownRunError,
)
from towpath_cli.embedded import free_port
from towpath_schemas.attribution import AttributionClaim
from towpath_schemas.audit import AuditEvent
from towpath_schemas.payloads import MAX_PAYLOAD_BYTES
from towpath_testkit.settled import until

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="module")]

ADA = {"name": "Ada"}


async def test_a_run_is_started_and_its_result_returned(client: Client) -> None:
    assert await client.run("welcome", ADA, timeout_s=10) == {"text": "hello Ada"}


async def test_a_failed_run_raises_its_reason(client: Client) -> None:
    with pytest.raises(ComponentError, match="no luck") as raised:
        await client.run("unlucky", {}, timeout_s=10)

    assert raised.value.failure.code == "user_error"


async def test_the_same_key_finds_the_same_run(client: Client) -> None:
    key = uuid4().hex

    first = await client.submit("welcome", ADA, idempotency_key=key)
    second = await client.submit("welcome", {"name": "Bob"}, idempotency_key=key)

    assert first.run_id == second.run_id
    assert (first.existed, second.existed) == (False, True)
    assert await client.result(first.run_id, 10) == {"text": "hello Ada"}


async def test_many_runs_at_once(client: Client) -> None:
    names = [f"name {number}" for number in range(100)]

    results = await asyncio.gather(*(client.run("welcome", {"name": n}, timeout_s=20) for n in names))

    assert results == [{"text": f"hello {name}"} for name in names]


async def test_a_run_can_be_looked_at(client: Client) -> None:
    run_id = await client.start("welcome", ADA, attribution=AttributionClaim(user_id="u-1"), tenant="acme")
    await client.result(run_id, 10)

    run = await client.status(run_id)

    assert run is not None
    assert (run.component, run.component_kind, run.status) == ("welcome", "workflow", "completed")
    assert (run.attribution.tenant, run.attribution.user_id) == ("acme", "u-1")
    assert run.finished_at is not None
    assert run.finished_at >= run.created_at


async def test_a_run_that_does_not_end_in_time_goes_on(client: Client) -> None:
    run_id = await client.start("slow", {})

    with pytest.raises(TimeoutError, match=run_id):
        await client.result(run_id, 0.2)

    run = await client.status(run_id)
    assert run is not None
    assert run.status in {"accepted", "running", "suspended"}


@pytest.mark.parametrize("run_id", ["nobody", "a.b", "a b", "*", ">", "", "ü"])
async def test_a_run_that_is_not_there_is_not_found(client: Client, run_id: str) -> None:
    assert await client.status(run_id) is None
    with pytest.raises(UnknownRunError):
        await client.result(run_id, 1)


async def test_an_unknown_component_is_refused(client: Client) -> None:
    with pytest.raises(RequestRefusedError, match="no service offers a component 'nobody'") as raised:
        await client.start("nobody", {})

    assert raised.value.failure.code == "unknown_component"


async def test_a_request_over_the_limit_is_refused_before_it_is_sent(client: Client) -> None:
    with pytest.raises(RequestRefusedError) as raised:
        await client.start("welcome", {"name": "x" * MAX_PAYLOAD_BYTES})

    assert raised.value.failure.code == "payload_too_large"


async def test_what_is_large_goes_in_and_comes_back(client: Client) -> None:
    name = "Ada" * 1_700_000

    assert await client.run("welcome", {"name": name}) == {"text": f"hello {name}"}


async def test_a_large_signal_reaches_its_run(client: Client) -> None:
    run_id = await client.start("trip", {"where": "Gouda"})
    await client.signal(run_id, "paid", "x" * 2_000_000)

    assert len((await client.result(run_id, 20))["paid"]) == 2_000_000


async def test_a_signal_over_the_limit_is_refused_before_it_is_sent(client: Client) -> None:
    run_id = await client.start("trip", {"where": "Gouda"})

    with pytest.raises(RequestRefusedError, match="the signal with its payload has 67,"):
        await client.signal(run_id, "paid", "x" * MAX_PAYLOAD_BYTES)

    await client.terminate(run_id)


async def test_what_json_cannot_carry_is_not_sent(client: Client) -> None:
    with pytest.raises(NotSerialisableError, match="name"):
        await client.start("welcome", {"name": object()})


async def test_a_run_can_be_watched_from_its_first_event_to_its_last(client: Client) -> None:
    run_id = await client.start("welcome", ADA)

    async with asyncio.timeout(10):
        events = [(event.kind, event.action) async for event in client.watch(run_id)]

    assert events == [("run", "started"), ("task", "intended"), ("task", "completed"), ("run", "completed")]


async def test_the_audit_stream_can_be_followed_from_some_time_on(client: Client) -> None:
    tenant = f"tenant-{uuid4().hex}"
    begun = datetime.now(UTC) - timedelta(seconds=5)  # noqa: TID251 - the broker's clock is this machine's
    await client.run("welcome", ADA, tenant=tenant, timeout_s=10)

    events = await _first(client, 2, tenant=tenant, since=begun)
    only_tasks = await _first(client, 2, tenant=tenant, since=begun, kind="task")

    assert [event.action for event in events] == ["started", "intended"]
    assert [event.action for event in only_tasks] == ["intended", "completed"]


async def test_the_audit_stream_is_followed_from_now_on(client: Client) -> None:
    tenant = f"tenant-{uuid4().hex}"
    earlier = await client.start("welcome", ADA, tenant=tenant)
    assert [event async for event in client.watch(earlier)]

    following = client.audit(tenant=tenant, kind="run")
    first = asyncio.ensure_future(anext(following))
    later = [await client.start("welcome", ADA, tenant=tenant)]
    while (
        not first.done()
    ):  # "now" is when the broker is asked, which is some moment after this test began to ask
        later.append(await client.start("welcome", ADA, tenant=tenant))

    assert (await first).run_id in later
    await following.aclose()


async def _first(client: Client, count: int, **asked: object) -> list[AuditEvent]:
    events: list[AuditEvent] = []
    async with asyncio.timeout(10):
        async for event in client.audit(**asked):  # pyright: ignore[reportArgumentType]
            events.append(event)
            if len(events) == count:
                break
    return events


async def test_runs_are_listed(client: Client) -> None:
    tenant = f"tenant-{uuid4().hex}"
    run_id = await client.start("welcome", ADA, tenant=tenant)
    await client.result(run_id, 10)

    async def listed() -> bool:
        return [run.run_id async for run in client.list(tenant=tenant, status="completed")] == [run_id]

    await until(listed, bool)


async def test_without_a_broker_it_says_so() -> None:
    url = f"nats://127.0.0.1:{free_port()}"

    with pytest.raises(UnavailableError, match=url):
        async with Client(url, patience_s=0.5):
            pass
