"""How people find runs and look at them, on a whole platform; what a start may say."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from towpath import (
    Client,
    InvalidInputError,
    RequestRefusedError,
    RunStoppedError,
    UnknownRunError,
)
from towpath_schemas.attribution import AttributionClaim
from towpath_schemas.runs import RunView
from towpath_testkit.looking import done, names, until_listed, until_status
from towpath_testkit.settled import until

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="module")]

WITHIN_S = 15


@pytest.fixture
def tenant() -> str:
    """A tenant of the test's own: lists show nothing else of it."""
    return f"tenant-{uuid4().hex[:8]}"


async def test_a_run_that_waits_is_found_by_what_is_known_of_it_and_goes_on_when_signalled(
    client: Client, tenant: str
) -> None:
    begun = datetime.now(UTC) - timedelta(seconds=5)  # noqa: TID251 - as a user would
    whose = AttributionClaim(
        user_id="ada", user_role="clerk", agent="desk", agent_id="desk-7", session_id="s-1", workflow_id="w-1"
    )
    run_id = await client.start("trip", {"where": "Oslo"}, tenant=tenant, attribution=whose)
    await until_listed(client, [run_id], tenant=tenant, status="suspended", waiting_for_signal="paid")

    for asked in (
        {"component": "trip", "user_id": "ada"},
        {"user_role": "clerk", "agent_id": "desk-7"},
        {"agent": "desk", "session_id": "s-1", "workflow_id": "w-1"},
        {"status": ["suspended", "running"], "created_after": begun},
    ):
        assert await names(client, tenant=tenant, **asked) == [run_id]
    for asked in (
        {"user_id": "bob"},
        {"user_role": "boss"},
        {"created_before": begun},
        {"status": "completed"},
    ):
        assert await names(client, tenant=tenant, **asked) == []
    seen = await client.status(run_id)
    assert seen is not None
    assert (seen.status, seen.waiting_for) == ("suspended", ("signal:paid#0",))

    await client.signal(run_id, "paid", {"amount": 3})

    assert (await client.result(run_id, WITHIN_S))["paid"] == {"amount": 3}
    await until_listed(client, [run_id], tenant=tenant, status="completed")
    assert await names(client, tenant=tenant, waiting_for_signal="paid") == []


async def test_many_runs_are_listed_page_by_page(client: Client, tenant: str) -> None:
    runs = [await client.start("welcome", {"name": str(n)}, tenant=tenant) for n in range(210)]
    for run_id in runs:
        await client.result(run_id, WITHIN_S)

    await until_listed(client, runs[::-1], tenant=tenant, status="completed")
    assert await names(client, tenant=tenant, limit=7) == runs[:-8:-1]


async def test_lists_say_of_runs_what_their_journals_say(client: Client, tenant: str) -> None:
    given = {
        "welcome": {"name": "Ada"},
        "unlucky": {},
        "countdown": {"left": 1},
        "family": {"names": ["Ada"]},
    }
    for component, input_ in given.items():
        await client.ended(await client.start(component, input_, tenant=tenant), WITHIN_S)
    stopped = await client.start("trip", {"where": "Oslo"}, tenant=tenant)
    await client.terminate(stopped)
    await client.start("trip", {"where": "Rome"}, tenant=tenant)
    statuses = {"completed", "failed", "continued", "terminated", "suspended"}

    async def look() -> tuple[list[RunView], list[RunView | None]]:
        runs = [run async for run in client.list(tenant=tenant)]
        journals = [await client.status(run.run_id) for run in runs]
        return runs, [run.model_copy(update={"result": None}) if run else None for run in journals]

    def agree(both: tuple[list[RunView], list[RunView | None]]) -> bool:
        listed, journaled = both
        return len(listed) == 8 and {run.status for run in listed} == statuses and listed == journaled

    await until(look, agree)


async def test_a_refused_start_is_listed_with_its_reason(client: Client, tenant: str) -> None:
    with pytest.raises(RequestRefusedError):
        await client.start("nobody", {}, tenant=tenant)

    async def look() -> list[RunView]:
        return [run async for run in client.list(tenant=tenant, status="refused")]

    (refused,) = await until(look, bool)

    assert refused.component == "nobody"
    assert refused.failure is not None
    assert refused.failure.code == "unknown_component"


async def test_a_workflow_is_started_and_shown_by_its_own_words(client: Client) -> None:
    started = await client.start_workflow("welcome", {"name": "Ada"})
    await client.result(started["workflow_id"], WITHIN_S)

    shown = await client.get_workflow_status(started["workflow_id"])

    assert started["workflow_id"] == started["run_id"] == shown["workflow_id"]
    assert (shown["state"], shown["result"]) == ("completed", {"text": "hello Ada"})
    with pytest.raises(UnknownRunError):
        await client.get_workflow_status("nobody")


async def test_a_start_says_more_than_its_input(client: Client, tenant: str) -> None:
    run_id = await client.start("told", {}, headers={"Trip": "7"}, delay_s=0.2, priority=5, tenant=tenant)

    assert (await client.result(run_id, WITHIN_S))["trip"] == "7"


async def test_a_delayed_run_is_accepted_until_its_time_has_come(client: Client, tenant: str) -> None:
    run_id = await client.start("told", {}, delay_s=3_600, tenant=tenant)

    await until_listed(client, [run_id], tenant=tenant, status="accepted")
    assert (await until_status(client, run_id, "accepted")).finished_at is None
    await client.cancel(run_id)

    with pytest.raises(RunStoppedError):
        await client.result(run_id, WITHIN_S)
    await until_listed(client, [run_id], tenant=tenant, status="cancelled")


async def test_child_runs_are_found_by_their_parent(client: Client, tenant: str) -> None:
    parent = await client.start("family", {"names": ["Ada", "Bob"]}, tenant=tenant)
    await client.result(parent, WITHIN_S)

    async def look() -> list[RunView]:
        return [run async for run in client.list(parent=parent, status="completed")]

    children = await until(look, lambda seen: len(seen) == 2)

    assert {run.component for run in children} == {"welcome"}
    child = await client.status(children[0].run_id)
    assert child is not None
    assert child.parent == parent
    told = await done(client, parent)
    assert told.count(("child", "welcome", "completed")) == 2
    assert told[-1] == ("run", "family", "completed")


@pytest.mark.parametrize(("option", "value"), [("delay_s", -1.0), ("priority", 1_000), ("headers", {"a": 1})])
async def test_a_wrong_option_is_named(client: Client, option: str, value: Any) -> None:
    with pytest.raises(InvalidInputError, match=option):
        await client.submit("told", {}, **{option: value})
