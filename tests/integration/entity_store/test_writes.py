"""Writes of an entity: in order, once each, all or nothing, and answered with the first outcome."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest

from towpath_schemas import subjects
from towpath_schemas.entities import EntityCommitted, InvocationDone
from towpath_schemas.streams import DEAD, ENTITIES
from towpath_testkit.entities import invocation, played_run
from towpath_testkit.entity_stage import EntityStage, eventually

pytestmark = pytest.mark.live


async def test_calls_of_many_runs_are_applied_once_and_in_the_order_of_the_mailbox(
    stage: EntityStage,
) -> None:
    async with stage.store(), AsyncExitStack() as stack:
        runs = [await stack.enter_async_context(played_run(stage.js, f"caller-{n}")) for n in range(32)]

        async def caller(number: int) -> list[int]:
            return [(await runs[number].call("c", "add", f"{number}-{call}")).result for call in range(10)]

        lengths = await asyncio.gather(*(caller(number) for number in range(32)))
        items = (await stage.run.read("c", "items")).result

    assert sorted(length for mine in lengths for length in mine) == list(range(1, 321))
    assert sorted(items) == sorted(f"{number}-{call}" for number in range(32) for call in range(10))
    for number, mine in enumerate(lengths):
        assert [items[length - 1] for length in mine] == [f"{number}-{call}" for call in range(10)]


async def test_what_waits_together_is_executed_as_one_turn(stage: EntityStage) -> None:
    stage.runner.open.clear()
    async with stage.store():
        first = asyncio.create_task(stage.run.call("c", "add", "a"))
        await stage.runner.asked.wait()
        others = [asyncio.create_task(stage.run.call("c", "add", n)) for n in range(9)]
        await eventually(lambda: are_waiting(stage, 10))
        stage.runner.open.set()
        await asyncio.gather(first, *others)

    assert [len(turn.invocations) for turn in stage.runner.turns] == [1, 9]


async def test_a_repeated_invocation_gets_the_first_outcome(stage: EntityStage) -> None:
    async with stage.store():
        first = await stage.run.call("c", "add", "a", invocation_id="the-same")
        again = await stage.run.call("c", "add", "a", invocation_id="the-same")
        items = (await stage.run.read("c", "items")).result

    assert (first.result, again.result, items) == (1, 1, ["a"])
    assert first.answer_id == again.answer_id


async def test_the_first_outcome_survives_snapshots_and_other_owners(stage: EntityStage) -> None:
    async with stage.store(snapshot_every=3):
        await stage.run.call("c", "add", "a", invocation_id="the-same")
        for number in range(7):
            await stage.run.call("c", "add", number)
    async with stage.store(snapshot_every=3):
        again = await stage.run.call("c", "add", "a", invocation_id="the-same")

    assert again.result == 1


async def test_a_method_that_fails_changes_nothing_and_spoils_no_other(stage: EntityStage) -> None:
    async with stage.store():
        await stage.run.call("c", "add", "a")
        answers = await asyncio.gather(*(stage.run.call("c", m, "b") for m in ("add", "fail", "add")))
        items = (await stage.run.read("c", "items")).result

    assert [answer.failure and answer.failure.code for answer in answers] == [None, "user_error", None]
    assert items == ["a", "b", "b"]


async def test_deleted_values_are_gone(stage: EntityStage) -> None:
    async with stage.store():
        await stage.run.call("c", "add", "a")
        await stage.run.call("c", "clear")
        assert (await stage.run.read("c", "items")).result == []
        assert (await stage.copy_of("c")).keys() == {b"number", b"seal"}


async def test_a_silent_runner_is_replaced_by_asking_again(stage: EntityStage) -> None:
    stage.runner.silent_turns = 2
    async with stage.store():
        answer = await stage.run.call("c", "add", "a")

    assert answer.result == 1
    assert len(stage.runner.turns) == 3


async def test_an_invocation_that_kills_every_runner_fails_alone(stage: EntityStage) -> None:
    async with stage.store(turn_attempts=2, turn_silence_s=0.3):
        await stage.run.call("c", "add", "a")
        stage.runner.silent_turns = 2
        lost = await stage.run.call("c", "add", "b")
        after = await stage.run.call("c", "add", "c")

    assert lost.failure is not None
    assert (lost.failure.code, lost.failure.retryable) == ("unavailable", True)
    assert after.result == 2


async def test_without_a_runner_a_call_waits_and_other_entities_do_not(stage: EntityStage) -> None:
    async with stage.store(runner_patience_s=0.1, partition_capacity=1):
        lonely = [asyncio.create_task(stage.run.call("c", "add", n, service="gone")) for n in range(5)]
        answer = await stage.run.call("c2", "add", "a")
        same_partition = await call_beside(stage, "c")
        assert not any(task.done() for task in lonely)
        for task in lonely:
            task.cancel()

    assert answer.result == same_partition.result == 1


async def are_waiting(stage: EntityStage, count: int) -> bool:
    return await stage.js.last_sequence(ENTITIES) == count


async def call_beside(stage: EntityStage, key: str) -> Any:

    mine = subjects.partition_of("acme", "Cart", key)
    other = next(f"k{n}" for n in range(10_000) if subjects.partition_of("acme", "Cart", f"k{n}") == mine)
    return await stage.run.call(other, "add", "a")


async def test_a_state_that_outgrows_the_limit_is_refused_and_the_entity_lives_on(
    stage: EntityStage,
) -> None:
    async with stage.store(payload_bytes=1_000_000):
        await stage.run.call("c", "set", {"a": "x" * 400_000})
        refused = await stage.run.call("c", "set", {"b": "x" * 400_000})
        added = await stage.run.call("c", "add", "a")

    assert refused.failure is not None
    assert refused.failure.code == "payload_too_large"
    assert added.result == 1


async def test_what_is_no_invocation_is_buried_and_holds_nobody_up(stage: EntityStage) -> None:

    async with stage.store():
        await stage.js.publish(subjects.mailbox("acme", "Cart", "c"), b"nonsense")
        answer = await stage.run.call("c", "add", "a")
        await eventually(lambda: stage.js.last(DEAD, "dead.v1.>"))
        dead = await stage.js.last(DEAD, "dead.v1.>")

    assert answer.result == 1
    assert dead is not None
    assert b"no invocation" in dead.body


async def test_an_owner_that_died_between_commit_and_answer_is_answered_for(stage: EntityStage) -> None:
    asked = invocation("c", "add", "a", run_id=stage.run.run_id, key="k")
    sequence = await stage.run.send(asked)
    done = InvocationDone(invocation_id=asked.invocation_id, result="committed")
    left_behind = EntityCommitted(
        number=1, through=sequence, at=0.0, owner="dead", invocations=(asked,), outcomes=(done,)
    )
    await stage.append("c", left_behind)
    answer = stage.run.expect("k")

    async with stage.store():
        assert (await answer).result == "committed"
    assert stage.runner.turns == []


async def test_an_owner_that_was_overtaken_loses_and_goes_on_from_what_is_committed(
    stage: EntityStage,
) -> None:
    async with stage.store():
        await stage.run.call("c", "add", "a")
        elsewhere = EntityCommitted(number=2, through=1, at=0.0, owner="other", values={"items": ["x", "y"]})
        await stage.append("c", elsewhere)

        answer = await stage.run.call("c", "add", "b")
        items = (await stage.run.read("c", "items")).result

    assert answer.result == 3
    assert items == ["x", "y", "b"]
    assert [record.number for record in await stage.log_of("c")] == [1, 2, 3]


async def test_snapshots_keep_the_log_short_and_the_state_whole(stage: EntityStage) -> None:
    async with stage.store(snapshot_every=5):
        for number in range(23):
            await stage.run.call("c", "add", number)
        before = (await stage.run.read("c", "items")).result
    log = await stage.log_of("c")
    await stage.redis.flushall()
    async with stage.store(snapshot_every=5):
        after = (await stage.run.read("c", "items")).result
        length = (await stage.run.call("c", "add", "last")).result

    assert log[0].snapshot is not None
    assert len(log) <= 6
    assert before == after == list(range(23))
    assert length == 24
