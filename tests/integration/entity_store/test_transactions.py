"""Transactions: all of their calls change something, or none does, whoever is killed."""

import asyncio
import itertools
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any

import pytest

from towpath_chassis.errors import UnconfirmedError
from towpath_schemas.calls import Answered
from towpath_schemas.entities import EntityCommitted, InvocationRequested
from towpath_schemas.transactions import TRANSACTION
from towpath_testkit.entities import PlayedRun, invocation, played_run
from towpath_testkit.entity_stage import EntityStage, entity_stage, eventually

pytestmark = pytest.mark.live


def bank(state: dict[str, Any], asked: InvocationRequested) -> int:
    """Execute `move`, which refuses to overdraw, or `balance`."""
    if asked.method == "move":
        after = state.get("balance", 0) + asked.arguments
        if after < 0:
            raise ValueError(f"only {state.get('balance', 0)} are there")
        state["balance"] = after
    return state.get("balance", 0)


@pytest.fixture
async def stage() -> AsyncGenerator[EntityStage]:
    async with entity_stage(bank) as made:
        yield made


def moving(**amounts: int) -> dict[str, Any]:
    """Write a transaction that moves money to or from accounts."""
    calls = [
        {"entity_type": "Cart", "entity_key": key, "method": "move", "arguments": amount}
        for key, amount in amounts.items()
    ]
    return {"calls": calls}


async def transfer(run: PlayedRun, **amounts: int) -> Any:
    return await run.call(min(amounts), TRANSACTION, moving(**amounts))


async def balances(stage: EntityStage, keys: list[str]) -> list[int]:
    return [(await stage.run.read(key, "balance")).result for key in keys]


async def test_all_calls_are_made_and_each_entity_has_its_record(stage: EntityStage) -> None:
    async with stage.store():
        await stage.run.call("a", "move", 10)
        answer = await transfer(stage.run, b=7, a=-7)
        (first,), (second,) = (await stage.log_of("a"))[1:], await stage.log_of("b")
        left = await balances(stage, ["a", "b"])

    assert answer.result == [7, 3]
    assert left == [3, 7]
    assert (first.values, second.values) == ({"balance": 3}, {"balance": 7})
    assert [one.method for one in second.invocations] == ["move"]


async def test_one_call_that_fails_leaves_everything_as_it_was_and_is_named(stage: EntityStage) -> None:
    async with stage.store():
        await stage.run.call("a", "move", 10)
        answer = await transfer(stage.run, b=7, a=-17)
        again = await transfer(stage.run, b=7, a=-10)
        left = await balances(stage, ["a", "b"])

    assert answer.failure is not None
    assert answer.failure.message == (
        "call 2 of the transaction, Cart/a.move, failed, so nothing was changed: only 10 are there"
    )
    assert again.result == [7, 0]
    assert left == [0, 7]


async def test_several_calls_of_one_entity_see_each_other(stage: EntityStage) -> None:
    call = {"entity_type": "Cart", "entity_key": "a", "method": "move", "arguments": 2}
    async with stage.store():
        answer = await stage.run.call("a", TRANSACTION, {"calls": [call, call, call]})

    assert answer.result == [2, 4, 6]
    assert len(await stage.log_of("a")) == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"calls": []}, "sent to the first of its entities"),
        (moving(b=1), "sent to the first of its entities"),
        (moving(**{f"a{n}": 1 for n in range(101)}, a=1), "at most 100 entities"),
        ({"calls": 5}, "this is no transaction"),
    ],
    ids=["empty", "elsewhere", "wide", "no-list"],
)
async def test_what_cannot_be_a_transaction_is_refused(stage: EntityStage, arguments: Any, says: str) -> None:
    async with stage.store():
        answer = await stage.run.call("a", TRANSACTION, arguments)

    assert answer.failure is not None
    assert says in answer.failure.message
    assert (await stage.log_of("a"))[0].values == {}


async def test_a_repeated_transaction_gets_its_first_outcome(stage: EntityStage) -> None:
    async with stage.store():
        once = {"invocation_id": "the-same"}
        first = await stage.run.call("a", TRANSACTION, moving(a=1, b=1), **once)
        again = await stage.run.call("a", TRANSACTION, moving(a=1, b=1), **once)
        left = await balances(stage, ["a", "b"])

    assert (first.result, again.result) == ([1, 1], [1, 1])
    assert left == [1, 1]


async def test_what_failed_on_an_old_state_of_another_entity_is_tried_on_the_new_one(
    stage: EntityStage,
) -> None:
    async with stage.store():
        await transfer(stage.run, a=1, b=1)
        elsewhere = EntityCommitted(number=2, through=0, at=0.0, owner="other", values={"balance": 100})
        await stage.append("b", elsewhere)
        answer = await transfer(stage.run, a=50, b=-50)
        left = await balances(stage, ["a", "b"])

    assert answer.result == [51, 50]
    assert left == [51, 50]


async def test_transactions_in_all_directions_and_plain_writes_lose_nothing(stage: EntityStage) -> None:
    keys = ["a", "b", "c", "d"]
    pairs = list(itertools.permutations(keys, 2))

    async def caller(number: int) -> int:
        async with played_run(stage.js, f"caller-{number}") as run:
            for call in range(10):
                source, target = pairs[(number + 5 * call) % len(pairs)]
                await transfer(run, **{source: -1, target: 1})
                await run.call(source, "move", 1)
        return 10

    async with stage.store(instance="one"), stage.store(instance="two"):
        for key in keys:
            await stage.run.call(key, "move", 1_000)
        paid_in = await asyncio.gather(*map(caller, range(8)))
        total = sum(await balances(stage, keys))

    assert total == 4_000 + sum(paid_in)


async def persistently(run: PlayedRun, number: int, **amounts: int) -> Answered:
    """Make a transfer, and make the same one again while no answer comes."""
    asked = invocation(
        min(amounts),
        TRANSACTION,
        moving(**amounts),
        invocation_id=f"{run.run_id}-{number}",
        run_id=run.run_id,
        key=f"{number}",
    )
    answer = run.expect(asked.key)
    while not answer.done():
        with suppress(UnconfirmedError):
            await run.send(asked)
        await asyncio.wait({answer}, timeout=5)
    return answer.result()


async def test_whoever_is_killed_in_the_middle_leaves_all_or_nothing(stage: EntityStage) -> None:
    keys, done = ["a", "b", "c"], list[Answered]()
    first, second = stage.store_process("first"), stage.store_process("second")

    async def caller(number: int) -> None:
        async with played_run(stage.js, f"caller-{number}") as run:
            for call in range(10):
                source, target = keys[(number + call) % 3], keys[(number + call + 1) % 3]
                done.append(await persistently(run, call, **{source: -1, target: 1}))

    async def progress(count: int) -> None:
        async def came() -> bool:
            return len(done) >= count

        await eventually(came)

    async with first, second:
        for key in keys:
            await stage.run.call(key, "move", 100)
        callers = [asyncio.create_task(caller(number)) for number in range(6)]
        for count, victim in enumerate((first, second, first), start=1):
            await progress(10 * count)
            await victim.kill()
            victim.start()
        await progress(40)
        await stage.servers.nats.kill()
        await stage.servers.nats.start()
        await asyncio.gather(*callers)
        total = sum(await balances(stage, keys))
        logs = [await stage.log_of(key) for key in keys]

    assert [answer.failure for answer in done] == [None] * 60
    assert total == 300
    for log in logs:
        assert [record.number for record in log] == list(range(log[0].number, log[-1].number + 1))
