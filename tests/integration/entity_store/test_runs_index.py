"""The index of runs: folded from the audit stream in any order, and built again where Redis lost it."""

import random
from functools import partial
from typing import Any

import pytest

from towpath_chassis.journal import claim
from towpath_schemas.attribution import Attribution
from towpath_schemas.failure import Failure
from towpath_schemas.streams import AUDIT, JOURNAL, RUNS_BEGUN, RUNS_INDEX
from towpath_testkit.entity_stage import EntityStage, eventually
from towpath_testkit.told_runs import (
    approvals,
    ask_for_approval,
    listed,
    names,
    tell,
    tell_signal_wait,
    until_approvals,
    until_listed,
    until_status,
)

pytestmark = pytest.mark.live

GLOBEX = Attribution(tenant="globex")
NO = Failure(code="user_error", message="no")


# --- What became of runs ------------------------------------------------------------------------------


async def test_runs_are_listed_by_what_became_of_them(stage: EntityStage) -> None:
    async with stage.store():
        await tell(stage, "a", "started", 1)
        await tell(stage, "b", "started", 2, target="trip", attribution=GLOBEX)
        await tell(stage, "c", "started", 3)
        await tell(stage, "a", "completed", 4, outcome="ok")
        await tell(stage, "b", "suspended", 5, target="trip", attribution=GLOBEX, waiting_for=("x#0",))
        await tell(stage, "c", "failed", 6, outcome="error", failure=NO)
        for run_id, status in {"a": "completed", "b": "suspended", "c": "failed"}.items():
            await until_status(stage, run_id, status)  # pyright: ignore[reportArgumentType]

        everything = await listed(stage)

        assert [run.run_id for run in everything] == ["c", "b", "a"]
        assert [run.finished_at for run in everything] == [6.0, None, 4.0]
        assert everything[0].failure == NO
        assert everything[1].waiting_for == ("x#0",)
        assert await names(stage, component="trip") == ["b"]
        assert await names(stage, tenant="acme", status="completed") == ["a"]
        assert await names(stage, status=("completed", "failed")) == ["c", "a"]
        assert await names(stage, component="greet", status="suspended") == []
        assert await names(stage, limit=1) == ["c"]
        assert await names(stage, created_after=2.0) == ["c", "b"]
        assert await names(stage, created_before=2.0) == ["a"]
        assert await names(stage, created_after=1.5, created_before=2.5) == ["b"]


async def test_a_run_is_accepted_until_a_runner_has_claimed_it(stage: EntityStage) -> None:
    async with stage.store():
        await tell(stage, "a", "started", 1)
        await until_status(stage, "a", "accepted")

        claimed = await claim(stage.js, "a", "runner-1", epoch=1)

        await until_status(stage, "a", "running")
        assert await names(stage, status="accepted") == []
        await tell(stage, "a", "completed", claimed.fence + 1)
        await until_status(stage, "a", "completed")


async def test_a_run_is_paused_until_it_goes_on_or_ends(stage: EntityStage) -> None:
    async with stage.store():
        await tell(stage, "a", "started", 1)
        await tell(stage, "a", "paused", 2)
        await tell(stage, "a", "suspended", 3)
        await until_listed(stage, ["a"], status="paused")
        await tell(stage, "a", "resumed", 4)
        await tell(stage, "a", "unpaused", 5)
        await until_listed(stage, ["a"], status="running")
        await tell(stage, "a", "paused", 6)
        await tell(stage, "a", "terminated", 7)

        await until_listed(stage, ["a"], status="terminated")

        assert await names(stage, status=("paused", "running", "suspended", "accepted")) == []


async def test_what_a_run_is_and_what_goes_on_from_it_are_known(stage: EntityStage) -> None:
    whose = Attribution(
        tenant='ac"me/ä',
        user_id="ada",
        user_role="clerk",
        agent="desk",
        agent_id="desk-7",
        session_id="s-1",
        workflow_id="w-1",
    )
    origin: dict[str, Any] = {
        "attribution": whose,
        "component_kind": "workflow",
        "service": "hello",
        "parent": "elder",
    }
    async with stage.store():
        await tell(stage, "a", "started", 1, **origin)
        await tell(stage, "a", "continued", 2, attribution=whose, successor="next")
        await tell(stage, "b", "started", 3)
        await until_listed(stage, ["a"], status="continued")
        await until_listed(stage, ["b", "a"])

        run = (await listed(stage, run_id="a"))[0]

        assert (run.component_kind, run.service, run.parent, run.successor) == (
            "workflow",
            "hello",
            "elder",
            "next",
        )
        assert run.attribution == whose
        for by, value in whose.model_dump().items():
            assert await names(stage, **{by: value}) == ["a"]
            assert await names(stage, **{by: "another"}) == []
        assert await names(stage, parent="elder") == ["a"]
        assert await names(stage, tenant=whose.tenant, status="continued") == ["a"]
        assert await names(stage, run_id="a", tenant="globex") == []


async def test_what_was_refused_is_listed_if_it_was_to_be_a_run(stage: EntityStage) -> None:
    refused: dict[str, Any] = {"kind": "request", "failure": NO, "outcome": "error"}
    async with stage.store():
        await tell(stage, "no-1", "refused", 1, **refused, key="start", target="nobody")
        await tell(stage, "no-2", "refused", 2, **refused, key="decide", target="run-1.7")
        await tell(stage, "a", "started", 3)
        await until_listed(stage, ["a", "no-1"])

        run = (await listed(stage, status="refused"))[0]

        assert (run.run_id, run.component, run.failure, run.finished_at) == ("no-1", "nobody", NO, 1.0)


async def test_the_newest_record_decides_in_whatever_order_events_come(stage: EntityStage) -> None:
    told = [
        (f"r{n}", action, 10 * n + at)
        for n in range(20)
        for at, action in enumerate(("started", "suspended", "resumed", "paused", "completed"))
    ]
    told *= 2  # each comes twice
    random.Random(7).shuffle(told)  # noqa: S311 - repeatable, not secret
    async with stage.store():
        for run_id, action, sequence in told:
            await tell(stage, run_id, action, sequence)

        async def complete() -> bool:
            return len(await listed(stage, status="completed")) == 20

        await eventually(complete)
        assert [run.created_at for run in await listed(stage)] == [10.0 * n for n in range(19, -1, -1)]
        assert await listed(stage, status=("running", "paused", "suspended")) == []


# --- What runs wait for -------------------------------------------------------------------------------


async def test_runs_that_wait_for_a_signal_are_found_while_they_do(stage: EntityStage) -> None:
    of_globex: dict[str, Any] = {"attribution": GLOBEX}
    async with stage.store():
        await tell(stage, "a", "started", 1)
        await tell_signal_wait(stage, "a", "intended", 2)
        await tell_signal_wait(stage, "a", "intended", 3, key="signal:go#1")
        await tell(stage, "b", "started", 4, **of_globex)
        await tell_signal_wait(stage, "b", "intended", 5, **of_globex)
        await tell(stage, "c", "started", 6)
        await tell_signal_wait(stage, "c", "intended", 7, target="stop", key="signal:stop#0")
        await until_listed(stage, ["b", "a"], waiting_for_signal="go")
        assert await names(stage, waiting_for_signal="go", tenant="acme") == ["a"]
        assert set((await listed(stage, run_id="a"))[0].waiting_for) == {"signal:go#0", "signal:go#1"}

        await tell_signal_wait(stage, "a", "completed", 8, outcome="ok")
        await tell_signal_wait(stage, "b", "failed", 9, outcome="error", failure=NO, **of_globex)
        await until_listed(stage, ["a"], waiting_for_signal="go")
        await tell(stage, "a", "cancelled", 10, outcome="error")

        await until_listed(stage, [], waiting_for_signal="go")
        await until_listed(stage, ["c"], waiting_for_signal="stop")
        assert (await listed(stage, run_id="a"))[0].waiting_for == ()


async def test_a_wait_that_is_over_does_not_come_back(stage: EntityStage) -> None:
    async with stage.store():
        await tell_signal_wait(stage, "a", "completed", 3, outcome="ok")
        await tell_signal_wait(stage, "a", "intended", 4, key="signal:go#1")
        await tell_signal_wait(stage, "a", "intended", 2)
        await tell(stage, "a", "started", 1)
        await until_listed(stage, ["a"], waiting_for_signal="go")

        await tell_signal_wait(stage, "a", "completed", 5, key="signal:go#1", outcome="ok")

        await until_listed(stage, [], waiting_for_signal="go")
        await tell(stage, "a", "completed", 6)
        await tell_signal_wait(stage, "a", "intended", 4, key="signal:go#1")
        await tell(stage, "b", "started", 7)
        await until_listed(stage, ["b", "a"])
        assert await names(stage, waiting_for_signal="go") == []


# --- Redis may lose everything ------------------------------------------------------------------------


@pytest.mark.parametrize("consumer", [f"{AUDIT.name}.{RUNS_INDEX}", f"{JOURNAL.name}.{RUNS_BEGUN}"])
async def test_a_consumer_that_whoever_set_it_back_did_not_make_again_is_made(
    stage: EntityStage, consumer: str
) -> None:
    async with stage.store():
        await tell(stage, "a", "started", 1)
        await until_listed(stage, ["a"])

        await stage.js.info(f"CONSUMER.DELETE.{consumer}")
        await tell(stage, "b", "started", 2)
        await claim(stage.js, "b", "runner-1", epoch=1)

        await until_status(stage, "b", "running")


async def test_an_emptied_redis_is_noticed_and_the_index_built_again(stage: EntityStage) -> None:
    async with stage.store():
        for n in range(300):
            await tell(stage, f"r{n}", "started", n)
        await claim(stage.js, "r7", "runner-1", epoch=1)
        await tell_signal_wait(stage, "r7", "intended", 301)
        waiting = await ask_for_approval(stage, "r8", 1)

        async def all_there() -> bool:
            return len(await listed(stage, limit=1_000)) == 300

        await eventually(all_there)
        await until_approvals(stage, [waiting])
        await stage.redis.flushall()
        assert len(await listed(stage, limit=1_000)) == 300
        assert await names(stage, status="running") == ["r7"]
        assert await names(stage, waiting_for_signal="go") == ["r7"]
        assert [one.approval_id for one in await approvals(stage)] == [waiting]
        await stage.redis.flushall()
        await tell(stage, "new", "started", 1_000)
        await eventually(partial(_lists, stage, "new"))
        assert len(await listed(stage, limit=1_000)) == 301


async def _lists(stage: EntityStage, run_id: str) -> bool:
    return (await names(stage))[:1] == [run_id]
