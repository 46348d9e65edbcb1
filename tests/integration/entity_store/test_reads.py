"""Shared methods read what is committed, beside whatever is being written."""

import asyncio

import pytest

from towpath_testkit.entity_stage import EntityStage

pytestmark = pytest.mark.live


async def test_a_read_sees_the_last_commit_and_does_not_wait_for_a_running_write(stage: EntityStage) -> None:
    async with stage.store():
        await stage.run.call("c", "add", "a")
        stage.runner.open.clear()
        stage.runner.asked.clear()
        write = asyncio.create_task(stage.run.call("c", "add", "b"))
        await stage.runner.asked.wait()

        during = (await stage.run.read("c", "items")).result
        stage.runner.open.set()
        await write
        after = (await stage.run.read("c", "items")).result

    assert (during, after) == (["a"], ["a", "b"])
    assert stage.runner.turns[-1].read_only


async def test_an_entity_that_was_never_written_has_an_empty_state(stage: EntityStage) -> None:
    async with stage.store():
        assert (await stage.run.read("new", "items")).result == []


async def test_a_shared_method_that_writes_is_told_so_and_changes_nothing(stage: EntityStage) -> None:
    async with stage.store():
        await stage.run.call("c", "add", "a")
        answer = await stage.run.read("c", "add")
        items = (await stage.run.read("c", "items")).result

    assert answer.failure is not None
    assert answer.failure.code == "forbidden_write"
    assert items == ["a"]


async def test_a_read_without_a_runner_fails_in_time(stage: EntityStage) -> None:
    stage.runner.silent_turns = 1_000
    async with stage.store(read_within_s=0.3):
        answer = await stage.run.read("c", "items")

    assert answer.failure is not None
    assert (answer.failure.code, answer.failure.retryable) == ("unavailable", True)
