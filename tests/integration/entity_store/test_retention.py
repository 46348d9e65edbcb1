"""What has ended long enough ago is forgotten: the router is asked to, and the index forgets with the audit trail."""

import time
from typing import Any

import pytest

from towpath_chassis.journal import FORGETTING, claim
from towpath_schemas import subjects
from towpath_schemas.requests import ControlRequested
from towpath_schemas.streams import REQUESTS
from towpath_testkit.entity_stage import EntityStage, eventually
from towpath_testkit.journals import run_started, write_claim, write_entry
from towpath_testkit.settled import until
from towpath_testkit.told_runs import listed, names, tell, tell_signal_wait, until_listed, until_status

pytestmark = pytest.mark.live

BRIEF: dict[str, Any] = {"runs_kept_s": 3_600.0, "retention_look_s": 0.1}
YEARS_AGO = 1_000.0


async def asked(stage: EntityStage) -> list[str]:
    found = await stage.js.following(REQUESTS, "requests.v1.*.purge.*", start=1)
    assert all(ControlRequested.from_body(one.body).attribution for one in found)
    return [subjects.read_request(one.subject).target for one in found]


async def test_runs_that_ended_long_ago_are_to_be_forgotten_once_and_no_others(stage: EntityStage) -> None:
    for run_id in ("old", "new", "working"):
        await write_entry(stage.js, run_id, 0, run_started())
        await write_claim(stage.js, run_id)
    async with stage.store(**BRIEF):
        await tell(stage, "old", "started", 1, at=YEARS_AGO)
        await tell(stage, "old", "completed", 2, at=YEARS_AGO + 1)
        await tell(stage, "new", "started", 3, at=YEARS_AGO)
        await tell(stage, "new", "completed", 4, at=time.time())
        await tell(stage, "working", "started", 5, at=YEARS_AGO)
        await until_status(stage, "working", "running")

        await until(lambda: asked(stage), lambda found: found)
        await tell(stage, "old", "purged", 6)
        await until_listed(stage, ["working", "new"])

        assert await asked(stage) == ["old"]


async def test_a_run_that_was_forgotten_before_the_index_knew_is_not_asked_for_again(
    stage: EntityStage,
) -> None:
    await claim(stage.js, "old", FORGETTING, epoch=2)
    async with stage.store(**BRIEF):
        await tell(stage, "old", "started", 1, at=YEARS_AGO)
        await tell(stage, "old", "completed", 2, at=YEARS_AGO + 1)
        await until_listed(stage, [])

        assert await asked(stage) == []


async def test_requests_that_were_refused_long_ago_are_forgotten_by_the_index_alone(
    stage: EntityStage,
) -> None:
    async with stage.store(**BRIEF):
        await tell(stage, "r", "refused", 1, kind="request", key="start", at=YEARS_AGO)

        async def is_forgotten() -> bool:
            return await stage.redis.keys("*runs:purged:r") != [] and await names(stage) == []

        await eventually(is_forgotten)
        assert await asked(stage) == []


async def test_a_forgotten_run_is_in_no_list_whatever_is_told_of_it_late(stage: EntityStage) -> None:
    async with stage.store():
        await tell(stage, "a", "started", 1)
        await tell_signal_wait(stage, "a", "intended", 2)
        await tell(stage, "a", "failed", 4, outcome="error")
        await until_status(stage, "a", "failed")

        await tell(stage, "a", "purged", 5)
        await until_listed(stage, [])
        await tell(stage, "a", "suspended", 3)
        await tell(stage, "b", "started", 6)
        await until_listed(stage, ["b"])

        for question in ({"tenant": "acme"}, {"component": "greet"}, {"status": "failed"}):
            assert "a" not in await names(stage, **question)
        assert await names(stage, waiting_for_signal="go") == []
        kept = [key for key in await stage.redis.keys("*runs:*:a") if not key.endswith(b"purged:a")]
        assert kept == []


async def test_an_id_that_is_used_again_is_a_new_run(stage: EntityStage) -> None:
    async with stage.store():
        await tell(stage, "a", "started", 1)
        await tell(stage, "a", "completed", 2)
        await tell(stage, "a", "purged", 3)
        await tell(stage, "a", "started", 4, target="trip")

        await until_listed(stage, ["a"], component="trip")
        (run,) = await listed(stage)
        assert (run.status, run.finished_at) == ("accepted", None)
