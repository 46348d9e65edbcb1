"""A rate, a debounce and a singleton: runs that wait for a moment, become one another, or take one another's place."""

import time

import pytest

from towpath_chassis.inbox import GATE
from towpath_chassis.journal import read_journal
from towpath_router.gates.naming import gate_id
from towpath_schemas import subjects
from towpath_schemas.calls import Answered, ControlSent, read_event
from towpath_schemas.gates import GateTicked
from towpath_schemas.journal import RunFinished
from towpath_schemas.limits import ConcurrencyLimit, DebounceLimit, RateLimit, SingletonLimit
from towpath_schemas.streams import INBOX, ROUTER_INBOX
from towpath_testkit.builders import TENANT
from towpath_testkit.hosting import Platform
from towpath_testkit.limited import Limited
from towpath_testkit.settled import settled, until

pytestmark = pytest.mark.live


@pytest.fixture
def runner(towpath: Platform) -> Limited:
    return Limited(towpath.js)


async def end_of(runner: Limited, run_id: str) -> tuple[str, str | None] | None:
    last = [record for _, record in await read_journal(runner.js, run_id)][-1]
    return (last.end, last.successor) if isinstance(last, RunFinished) else None


# --- Time -----------------------------------------------------------------------------------------


async def test_a_rate_lets_go_those_whose_time_has_come_and_no_one_before(runner: Limited) -> None:
    rate = RateLimit(limit=3, per_s=1.0)
    await runner.offer(rate)
    began = time.time()
    runs = [await runner.start() for _ in range(8)]

    assert await runner.handed_over() == runs[:3]
    await until(runner.handed_over, lambda seen: set(seen) == set(runs[:6]))
    assert time.time() >= began + 1
    await until(runner.handed_over, lambda seen: set(seen) == set(runs))
    assert time.time() >= began + 2
    await settled(runner.js, INBOX, ROUTER_INBOX)
    assert await runner.js.last(INBOX, ">") is None


async def test_a_tick_that_comes_again_or_too_early_lets_nobody_go(runner: Limited) -> None:
    rate = RateLimit(limit=1, per_s=3600)
    await runner.offer(rate)
    first, _ = [await runner.start() for _ in range(2)]
    gate = gate_id(TENANT, "bounded", rate, None)
    early = GateTicked(gate_id=gate, at=time.time() + 1)

    for _ in range(2):
        await runner.js.publish(subjects.inbox(gate, GATE, "tick"), early.to_body())
    await settled(runner.js, INBOX, ROUTER_INBOX)

    assert await runner.handed_over() == [first]
    assert await runner.js.last(INBOX, subjects.timer(gate, "tick")) is not None


async def test_of_five_that_come_soon_after_one_another_the_last_begins_and_the_others_become_it(
    runner: Limited,
) -> None:
    await runner.offer(DebounceLimit(wait_s=0.5, key="doc"))
    other = await runner.start({"doc": "other"})
    runs = [await runner.start({"doc": "a", "n": n}) for n in range(5)]

    await until(runner.handed_over, lambda seen: set(seen) == {other, runs[4]})
    ends = [await end_of(runner, run_id) for run_id in runs]
    assert ends == [*(("continued", newer) for newer in runs[1:]), None]
    await settled(runner.js, INBOX, ROUTER_INBOX)
    assert await runner.js.last(INBOX, ">") is None


async def test_a_parent_is_told_the_result_of_the_run_that_its_child_became(runner: Limited) -> None:
    await runner.offer(DebounceLimit(wait_s=0.3))
    children = [await runner.start_child(f"child-{n}") for n in range(3)]

    await until(runner.handed_over, bool)
    await settled(runner.js, INBOX, ROUTER_INBOX)
    await runner.end(children[2], {"words": 7})
    await settled(runner.js, INBOX, ROUTER_INBOX)

    told = [read_event(one.body) for one in await runner.js.following(INBOX, "inbox.v1.up.>", start=1)]
    answers = {one.key: one.result for one in told if isinstance(one, Answered)}
    assert answers == {f"run:child-{n}#0": {"words": 7} for n in range(3)}


# --- Singleton ------------------------------------------------------------------------------------


async def test_while_one_works_the_others_become_it(runner: Limited) -> None:
    await runner.offer(SingletonLimit(key="who"))
    first = await runner.start({"who": "ada"})
    second = await runner.start({"who": "ada"})
    other = await runner.start({"who": "bob"})

    end = await end_of(runner, second)
    assert await runner.handed_over() == [first, other]
    assert end == ("continued", first)
    await runner.end(first)
    third = await runner.start({"who": "ada"})
    assert await runner.handed_over() == [first, other, third]


async def test_a_newer_one_has_the_one_that_works_cancelled_and_begins_when_that_has_ended(
    runner: Limited,
) -> None:
    await runner.offer(SingletonLimit(mode="replace"))
    first = await runner.start()
    await runner.take(first)
    second = await runner.start()
    third = await runner.start()

    wishes = [
        read_event(one.body) for one in await runner.js.following(INBOX, subjects.inbox_of(first), start=1)
    ]
    merged = await end_of(runner, second)
    assert await runner.handed_over() == [first]
    assert {one.reason for one in wishes if isinstance(one, ControlSent)} == {
        f"replaced by run {second}",
        f"replaced by run {third}",
    }
    assert merged == ("continued", third)
    await runner.end(first)
    assert await runner.handed_over() == [first, third]


async def test_a_newer_one_takes_the_place_of_one_that_nobody_has_begun(runner: Limited) -> None:
    await runner.offer(SingletonLimit(mode="replace"), ConcurrencyLimit(limit=1, pool="db"))
    await runner.offer(ConcurrencyLimit(limit=1, pool="db"), name="report")
    report = await runner.start(name="report")
    first = await runner.start()
    second = await runner.start()

    await settled(runner.js, INBOX, ROUTER_INBOX)
    assert await end_of(runner, first) == ("continued", second)
    await runner.end(report)
    assert await runner.handed_over() == [report, second]
