"""What people do with runs, on a whole platform: signal, cancel, terminate, pause, decide, fork."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from towpath import (
    Client,
    InvalidInputError,
    RequestRefusedError,
    RunStoppedError,
    UnknownRunError,
)
from towpath_schemas.approvals import ApprovalView
from towpath_schemas.attribution import AttributionClaim
from towpath_schemas.runs import RunView
from towpath_testkit.looking import audited, done, names, until_asked, until_listed, until_status
from towpath_testkit.settled import until

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="module")]

WITHIN_S = 15


@pytest.fixture
def tenant() -> str:
    """A tenant of the test's own: lists show nothing else of it."""
    return f"tenant-{uuid4().hex[:8]}"


# --- Signals ------------------------------------------------------------------------------------------


async def test_a_broadcast_reaches_those_of_the_tenant_that_wait(client: Client, tenant: str) -> None:
    runs = [await client.start("trip", {"where": str(n)}, tenant=tenant) for n in range(3)]
    other = await client.start("trip", {"where": "elsewhere"}, tenant=f"{tenant}-other")
    await until_listed(client, runs[::-1], tenant=tenant, waiting_for_signal="paid")
    await until_listed(client, [other], tenant=f"{tenant}-other", waiting_for_signal="paid")

    reached = await client.broadcast("paid", "all of it", tenant=tenant)

    assert set(reached) == set(runs)
    for run_id in runs:
        assert (await client.result(run_id, WITHIN_S))["paid"] == "all of it"
    assert await names(client, waiting_for_signal="paid", tenant=f"{tenant}-other") == [other]
    await client.terminate(other)


async def test_nobody_signals_a_run_that_is_not_there_or_has_ended(client: Client) -> None:
    run_id = await client.start("welcome", {"name": "Ada"})
    await client.result(run_id, WITHIN_S)

    with pytest.raises(RequestRefusedError) as raised:
        await client.signal(run_id, "paid")
    assert raised.value.failure.code == "run_ended"
    with pytest.raises(UnknownRunError):
        await client.signal("nobody", "paid")


async def test_a_run_of_another_tenant_is_not_there(client: Client, tenant: str) -> None:
    run_id = await client.start("trip", {"where": "Oslo"}, tenant=tenant)

    for ask in (client.cancel, client.terminate, client.pause, client.unpause):
        with pytest.raises(RequestRefusedError) as raised:
            await ask(run_id, tenant="somebody-else")
        assert raised.value.failure.code == "unknown_run"
    await client.terminate(run_id)


# --- Ending -------------------------------------------------------------------------------------------


async def test_a_cancelled_run_cleans_up_and_says_why_it_ended(client: Client, tenant: str) -> None:
    run_id = await client.start("trip", {"where": "Oslo"}, tenant=tenant)
    await until_status(client, run_id, "suspended")

    await client.cancel(run_id, "the client is ill", attribution=AttributionClaim(user_id="bob"))

    with pytest.raises(RunStoppedError, match="the client is ill") as raised:
        await client.result(run_id, WITHIN_S)
    assert raised.value.failure.code == "cancelled"
    assert ("step", "unbook#0", "completed") in await done(client, run_id)
    who = {event.action: event.attribution.user_id for event in await audited(client, run_id)}
    assert who["cancelling"] == "bob"
    await until_listed(client, [run_id], tenant=tenant, status="cancelled")


async def test_a_terminated_run_ends_at_once(client: Client, tenant: str) -> None:
    run_id = await client.start("trip", {"where": "Oslo"}, tenant=tenant)
    await until_status(client, run_id, "suspended")

    await client.terminate(run_id, "enough")

    with pytest.raises(RunStoppedError, match="enough") as raised:
        await client.result(run_id, WITHIN_S)
    assert raised.value.failure.code == "terminated"
    assert ("step", "unbook#0", "completed") not in await done(client, run_id)
    await until_listed(client, [run_id], tenant=tenant, status="terminated")
    assert await names(client, tenant=tenant, waiting_for_signal="paid") == []


async def test_a_result_is_that_of_the_last_of_runs_that_continue_as_new(client: Client, tenant: str) -> None:
    run_id = await client.start("countdown", {"left": 3}, tenant=tenant)

    assert await client.result(run_id, WITHIN_S) == "zero"
    first = await client.ended(run_id)
    assert first.status == "continued"
    assert first.successor is not None
    await until_listed(client, [run_id], tenant=tenant, status="continued", created_before=_just_after(first))
    listed = [run async for run in client.list(tenant=tenant, status="continued")]
    assert listed[-1].successor == first.successor


async def test_a_line_of_runs_hears_all_that_is_said_to_the_first_one(client: Client, tenant: str) -> None:
    run_id = await client.start("rounds", tenant=tenant)
    for number, said in enumerate(["on", "on", "on", "stop"]):
        await client.signal(run_id, "next", said, signal_id=f"{tenant}-{number}")
        await client.signal(run_id, "next", said, signal_id=f"{tenant}-{number}")

    assert await client.result(run_id, WITHIN_S) == 3


async def test_a_paused_line_of_runs_stands_still_and_a_cancelled_one_ends(
    client: Client, tenant: str
) -> None:
    run_id = await client.start("rounds", tenant=tenant)
    await client.signal(run_id, "next", "on")
    second = await _successor(client, run_id)
    await until_status(client, second, "suspended")

    await client.pause(run_id)
    await until_status(client, second, "paused")
    await client.signal(run_id, "next", "on")
    third = await _successor(client, second)
    await until_status(client, third, "paused")
    await client.cancel(run_id, "enough")

    with pytest.raises(RunStoppedError, match="enough"):
        await client.result(run_id, WITHIN_S)
    await until_status(client, third, "cancelled")


async def test_a_result_that_was_purged_is_not_waited_for(client: Client, tenant: str) -> None:
    run_id = await client.start("countdown", {"left": 1}, tenant=tenant)
    await client.result(run_id, WITHIN_S)
    last = await _successor(client, run_id)
    await client.purge(last)

    with pytest.raises(UnknownRunError, match=last):
        await client.result(run_id, WITHIN_S)


async def test_the_first_id_of_a_run_that_goes_on_is_good_though_it_was_purged(
    client: Client, tenant: str
) -> None:
    run_id = await client.start("rounds", {}, tenant=tenant)
    await client.signal(run_id, "next", "go on")
    await until_status(client, await _successor(client, run_id), "suspended")
    await client.purge(run_id)

    await client.signal(run_id, "next", "stop")

    assert await client.result(run_id, WITHIN_S) == 1


async def _successor(client: Client, run_id: str) -> str:
    successor = (await client.ended(run_id, WITHIN_S)).successor
    assert successor is not None
    return successor


def _just_after(run: RunView) -> datetime:
    return datetime.fromtimestamp(run.created_at + 0.000_1, UTC)


# --- Standing still -----------------------------------------------------------------------------------


async def test_a_paused_run_stands_still_until_it_is_resumed(client: Client, tenant: str) -> None:
    run_id = await client.start("trip", {"where": "Oslo"}, tenant=tenant)
    await until_status(client, run_id, "suspended")

    await client.pause(run_id, "let me think")
    await until_listed(client, [run_id], tenant=tenant, status="paused")
    await until_status(client, run_id, "paused")
    await client.signal(run_id, "paid", 3)
    await until_listed(client, [], tenant=tenant, waiting_for_signal="paid")
    await until_status(client, run_id, "paused")
    await client.resume(run_id)

    assert (await client.result(run_id, WITHIN_S))["paid"] == 3
    acts = await done(client, run_id)
    assert acts.index(("step", "receipt#0", "completed")) > acts.index(("run", "trip", "unpaused"))
    await until_listed(client, [run_id], tenant=tenant, status="completed")


# --- Deciding -----------------------------------------------------------------------------------------


async def test_an_approval_is_decided_by_somebody_with_the_role(client: Client, tenant: str) -> None:
    run_id = await client.start("deploy", {"version": 3}, tenant=tenant)
    approval = await until_asked(client, tenant=tenant)
    assert (approval.run_id, approval.name, approval.asked.payload) == (run_id, "deploy", {"version": 3})
    assert [one async for one in client.approvals(tenant=tenant, role="clerk")] == []
    assert [one async for one in client.approvals(tenant=tenant, role="boss")] == [approval]

    with pytest.raises(RequestRefusedError, match="boss") as raised:
        await client.decide(approval, "approved", approver="eve", role="clerk")
    assert raised.value.failure.code == "forbidden"
    assert [one async for one in client.approvals(tenant=tenant)] == [approval]
    await client.decide(approval, "approved", "go ahead", approver="ada", role="boss")

    expected = {"decision": "approved", "by": "ada", "comment": "go ahead"}
    assert await client.result(run_id, WITHIN_S) == expected
    decided = [event for event in await audited(client, run_id) if event.kind == "approval"][-1]
    assert (decided.action, decided.attribution.user_id) == ("approved", "ada")
    with pytest.raises(RequestRefusedError) as late:
        await client.decide(approval, "rejected", approver="bob", role="boss")
    assert late.value.failure.code == "stale_approval"


async def test_a_decision_about_something_else_than_was_shown_is_refused(client: Client, tenant: str) -> None:
    run_id = await client.start("deploy", {"version": 4}, tenant=tenant)
    approval = await until_asked(client, tenant=tenant)

    with pytest.raises(RequestRefusedError) as raised:
        await client.decide(approval.approval_id, "approved", role="boss", content_sha256="0" * 64)
    assert raised.value.failure.code == "stale_approval"
    await client.decide(approval.approval_id, "rejected", role="boss")

    assert (await client.result(run_id, WITHIN_S))["decision"] == "rejected"


async def test_approvals_of_a_run_that_has_ended_wait_for_nobody(client: Client, tenant: str) -> None:
    run_id = await client.start("deploy", {"version": 5}, tenant=tenant)
    await until_asked(client, tenant=tenant)

    await client.terminate(run_id)

    async def look() -> list[ApprovalView]:
        return [one async for one in client.approvals(run_id=run_id)]

    await until(look, lambda seen: seen == [])


@pytest.mark.parametrize("approval", ["nonsense", "run-1.", "run-1.x"])
async def test_what_is_no_approval_is_not_asked_about(client: Client, approval: str) -> None:
    with pytest.raises(InvalidInputError, match="look like"):
        await client.decide(approval, "approved")


# --- Once more ----------------------------------------------------------------------------------------


async def test_a_fork_keeps_what_was_done_and_does_the_rest_anew(client: Client, tenant: str) -> None:
    run_id = await client.start("lots", {}, tenant=tenant)
    first, second = await client.result(run_id, WITHIN_S)

    fork = await client.fork(run_id, "second#0", idempotency_key="once")
    again = await client.fork(run_id, "second#0", idempotency_key="once")

    forked = await client.result(fork, WITHIN_S)
    assert fork == again != run_id
    assert forked[0] == first
    assert forked[1] != second
    await until_listed(client, [fork, run_id], tenant=tenant, status="completed")


async def test_a_fork_of_a_run_that_has_passed_its_id_on_keeps_what_came_of_that(client: Client) -> None:
    run_id = await client.start("signed", {})
    said, lot = await client.result(run_id, WITHIN_S)

    forked = await client.result(await client.fork(run_id, "lot#0"), WITHIN_S)

    assert said == f"hello {run_id}" == forked[0]
    assert forked[1] != lot


async def test_a_fork_from_an_act_that_was_not_done_is_refused(client: Client) -> None:
    run_id = await client.start("lots", {})
    await client.result(run_id, WITHIN_S)

    with pytest.raises(RequestRefusedError, match="second#0"):
        await client.fork(run_id, "third#0")


# --- Forgetting ---------------------------------------------------------------------------------------


async def test_a_run_that_ended_is_forgotten_and_its_key_is_not_taken_for_another(
    client: Client, tenant: str
) -> None:
    run_id = await client.start("welcome", {"name": "Ada"}, tenant=tenant, idempotency_key="once")
    await client.result(run_id, WITHIN_S)

    await client.purge(run_id, "she asked us to", attribution=AttributionClaim(user_id="dpo"))

    await until_listed(client, [], tenant=tenant)
    with pytest.raises(UnknownRunError):
        await client.result(run_id, WITHIN_S)
    with pytest.raises(RequestRefusedError) as raised:
        await client.start("welcome", {"name": "Bob"}, tenant=tenant, idempotency_key="once")
    assert raised.value.failure.code == "run_purged"


async def test_a_run_that_goes_on_is_not_forgotten(client: Client, tenant: str) -> None:
    run_id = await client.start("trip", {"where": "Oslo"}, tenant=tenant)

    with pytest.raises(RequestRefusedError) as raised:
        await client.purge(run_id)

    assert raised.value.failure.code == "run_active"
    await client.terminate(run_id)
