"""Runs of a component with limits wait before they are handed to a runner, each for its place."""

from typing import Any

import pytest

from towpath_chassis.inbox import keep
from towpath_chassis.journal import read_journal
from towpath_router.gates.naming import gate_id
from towpath_schemas import identity, subjects
from towpath_schemas.attribution import Attribution
from towpath_schemas.calls import ChildRequested, ControlSent
from towpath_schemas.journal import RunFinished, StepSettled
from towpath_schemas.limits import ConcurrencyLimit, GatePassed, RateLimit, SingletonLimit
from towpath_schemas.requests import ControlRequested, ForkRequested, RunAccepted, SignalRequested
from towpath_schemas.streams import GATES, INBOX, ROUTER_INBOX, RUNS
from towpath_testkit.asking import ask
from towpath_testkit.builders import TENANT, start_requested
from towpath_testkit.hosting import Platform
from towpath_testkit.journals import AT, run_started, write_entry
from towpath_testkit.limited import Limited
from towpath_testkit.settled import settled, until

pytestmark = pytest.mark.live

ONE = ConcurrencyLimit(limit=1)
STOP = ControlRequested(reason="enough")


@pytest.fixture
def runner(towpath: Platform) -> Limited:
    return Limited(towpath.js)


# --- Concurrency ----------------------------------------------------------------------------------


async def test_no_more_than_the_limit_are_handed_over_and_who_ends_lets_the_next_one_go(
    runner: Limited,
) -> None:
    await runner.offer(ConcurrencyLimit(limit=2))
    runs = [await runner.start() for _ in range(4)]

    assert await runner.handed_over() == runs[:2]
    await runner.end(runs[1])
    assert await runner.handed_over() == runs[:3]
    await runner.end(runs[0])
    assert await runner.handed_over() == runs


async def test_gates_of_a_router_that_is_gone_are_forgotten_by_the_next_one(
    runner: Limited, towpath: Platform
) -> None:
    await runner.offer(ConcurrencyLimit(limit=1, key="who"))
    works, *ended = [await runner.start({"who": who}) for who in "abc"]
    for run_id in ended:
        await runner.end(run_id)
    (router,) = towpath.hosted

    await router.stop()
    await towpath.router()

    await until(lambda: gates_in(runner), lambda gates: len(gates) == 1)
    assert list((await runner.gate(ConcurrencyLimit(limit=1, key="who"), {"who": "a"})).inside) == [works]


async def gates_in(runner: Limited) -> list[str]:
    stored = await runner.js.following(GATES, subjects.EVERY_GATE, start=1)
    return sorted({subjects.read_gate(one.subject) for one in stored})


async def test_a_component_without_limits_has_no_gate(runner: Limited) -> None:
    await runner.offer()
    run_id = await runner.start()

    assert await runner.handed_over() == [run_id]
    assert await runner.js.last(GATES, ">") is None


async def test_each_value_of_a_key_has_a_limit_of_its_own(runner: Limited) -> None:
    await runner.offer(ConcurrencyLimit(limit=1, key="order.customer"))
    inputs: list[Any] = [
        {"order": {"customer": "ada"}},
        {"order": {"customer": "ada", "id": 2}},
        {"order": {"customer": ["bob", None]}},
        {"order": {}},
        None,
    ]
    runs = [await runner.start(given) for given in inputs]

    assert await runner.handed_over() == [runs[0], runs[2], runs[3]]
    await runner.end(runs[3])
    assert (await runner.handed_over())[3:] == [runs[4]]


async def test_a_pool_is_shared_by_components_and_a_higher_priority_goes_first_in_all_of_them(
    runner: Limited,
) -> None:
    pool = ConcurrencyLimit(limit=1, pool="openai")
    await runner.offer(pool)
    await runner.offer(pool, name="report")
    first = await runner.start()
    low = [await runner.start(name="report") for _ in range(2)]
    high = await runner.start(priority=50)
    negative = await runner.start(priority=-1)

    for run_id in (first, high, *low):
        await runner.end(run_id)

    assert await runner.handed_over() == [first, high, *low, negative]


async def test_tenants_do_not_wait_for_each_other(runner: Limited) -> None:
    await runner.offer(ONE)
    await runner.start()
    before = len(await runner.handed_over())

    await ask(runner.js, "start", "bounded", start_requested(), tenant="globex")

    assert len(await runner.handed_over()) == before + 1


async def test_a_run_holds_its_places_at_all_gates_and_frees_all(runner: Limited) -> None:
    await runner.offer(ConcurrencyLimit(limit=1, pool="db"), ConcurrencyLimit(limit=1, key="who"))
    await runner.offer(ConcurrencyLimit(limit=1, pool="db"), name="report")
    ada = await runner.start({"who": "ada"})
    ada_again = await runner.start({"who": "ada"})
    report = await runner.start(name="report")

    await runner.end(ada)

    assert await runner.handed_over() == [ada, report]
    await runner.end(report)
    assert await runner.handed_over() == [ada, report, ada_again]


async def test_an_end_that_is_told_twice_frees_one_place(runner: Limited) -> None:
    await runner.offer(ONE)
    runs = [await runner.start() for _ in range(3)]
    closed = await runner.end(runs[0])

    await runner.tell(closed)
    await runner.tell(closed)

    assert await runner.handed_over() == runs[:2]


async def test_a_request_that_comes_again_has_one_place(runner: Limited) -> None:
    await runner.offer(ONE)
    first, *_ = [await runner.start(idempotency_key=key) for key in "ababab"]
    other = await runner.start()

    assert await runner.handed_over() == [first]
    await runner.end(first)
    await runner.start(idempotency_key="a")
    await runner.end((await runner.handed_over())[1])
    assert (await runner.handed_over())[2:] == [other]


async def test_a_delayed_run_takes_no_place_before_its_time(runner: Limited) -> None:
    await runner.offer(ONE)
    later = await runner.start(delay_s=1.0)
    now = await runner.start()

    assert await runner.handed_over() == [now]
    await until(lambda: runner.gate(ONE), lambda gate: later in gate.line)
    await runner.end(now)
    assert await runner.handed_over() == [now, later]


async def test_children_pass_the_gates_of_their_component(runner: Limited) -> None:
    await runner.offer(ONE)
    first = await runner.start()

    child = await runner.start_child("child-1")

    assert await runner.handed_over() == [first]
    await runner.end(first)
    assert await runner.handed_over() == [first, child]


async def test_a_fork_waits_for_a_place_and_is_merged_with_nothing(runner: Limited) -> None:
    await runner.offer(ONE, SingletonLimit())
    first = await runner.start()
    await write_entry(runner.js, first, 1, StepSettled(at=AT, key="a#0", result=1))

    word = await ask(runner.js, "fork", first, ForkRequested(until="a#0"))

    assert isinstance(word, RunAccepted)
    assert await runner.handed_over() == [first]
    await ask(runner.js, "terminate", first, STOP)
    assert await runner.handed_over() == [first, word.run_id]


async def test_who_goes_on_in_a_new_run_keeps_its_place(runner: Limited) -> None:
    await runner.offer(ONE, RateLimit(limit=2, per_s=3600))
    runs = [await runner.start() for _ in range(2)]
    closed = await runner.end(runs[0], told=False)
    successor = ChildRequested(
        run_id=identity.successor_run_id(runs[0]),
        component="bounded",
        continues=runs[0],
        attribution=Attribution(tenant=TENANT),
        correlation_id="c",
        priority=3,
    )

    await runner.tell(closed.model_copy(update={"end": "continued", "successor": successor}))
    await runner.tell(closed.model_copy(update={"end": "continued", "successor": successor}))

    assert await runner.handed_over() == [runs[0], successor.run_id]
    await runner.end(successor.run_id)
    assert await runner.handed_over() == [runs[0], successor.run_id, runs[1]]


# --- What people do with those that wait ----------------------------------------------------------


async def test_a_signal_to_one_that_waits_is_kept_and_does_not_let_it_pass(runner: Limited) -> None:
    await runner.offer(ONE)
    first, second = [await runner.start() for _ in range(2)]

    await ask(runner.js, "signal", second, SignalRequested(name="paid"))
    await settled(runner.js, INBOX, ROUTER_INBOX)

    assert await runner.js.last(RUNS, "runs.v1.resume.*") is None
    await runner.end(first)
    assert await runner.handed_over() == [first, second]
    kept = await runner.js.following(INBOX, subjects.inbox_of(second), start=1)
    assert [subjects.read_inbox(one.subject)[1] for one in kept] == ["signal"]


@pytest.mark.parametrize("verb", ["cancel", "terminate"])
async def test_one_that_waits_and_is_ended_leaves_the_line(runner: Limited, verb: str) -> None:
    await runner.offer(ONE)
    first, second, third = [await runner.start() for _ in range(3)]

    await ask(runner.js, verb, second, STOP)
    await runner.end(first)

    assert await runner.handed_over() == [first, third]


async def test_a_child_that_waits_ends_with_its_parent(runner: Limited) -> None:
    await runner.offer(ONE)
    first, child = await runner.start(), await runner.start_child("child-1")
    wish = ControlSent(event_id="c-1", run_id=child, control="cancel", attribution=Attribution(tenant=TENANT))

    await keep(runner.js, wish)
    await settled(runner.js, INBOX, ROUTER_INBOX)

    last = [record for _, record in await read_journal(runner.js, child)][-1]
    assert isinstance(last, RunFinished)
    assert last.end == "cancelled"
    await runner.end(first)
    assert await runner.handed_over() == [first]


async def test_one_that_works_and_is_terminated_frees_its_place(runner: Limited) -> None:
    await runner.offer(ONE)
    first, second = [await runner.start() for _ in range(2)]
    await runner.take(first)

    await ask(runner.js, "terminate", first, STOP)

    assert await runner.handed_over() == [first, second]


async def test_one_that_ended_before_it_came_to_its_gate_holds_no_place(runner: Limited) -> None:
    """It is cancelled after it was written down, and before its router has brought it to its gate."""
    await runner.offer(ONE)
    run_id = identity.run_id(TENANT, "bounded", "early")
    gate = GatePassed(gate_id=gate_id(TENANT, "bounded", ONE, None), limit=ONE)
    await write_entry(runner.js, run_id, 0, run_started(gates=(gate,)))
    await ask(runner.js, "cancel", run_id, STOP)

    await runner.start(idempotency_key="early")
    after = await runner.start()

    assert await runner.handed_over() == [after]
