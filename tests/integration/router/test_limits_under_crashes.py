"""Limits hold, and nobody waits in vain, whichever router dies when."""

import asyncio
import random
from typing import Any

import pytest

from towpath import Concurrency, WorkflowContext, workflow
from towpath_chassis.errors import UnconfirmedError
from towpath_chassis.inbox import CLOSED
from towpath_chassis.messages import Stored
from towpath_router.dispatching import Dispatcher
from towpath_schemas import subjects
from towpath_schemas.limits import ConcurrencyLimit
from towpath_testkit.hosting import Hosted, Platform
from towpath_testkit.limited import Limited
from towpath_testkit.settled import until, until_so

pytestmark = pytest.mark.live


@pytest.fixture
def runner(towpath: Platform) -> Limited:
    return Limited(towpath.js)


async def test_two_routers_of_which_one_dies_again_and_again_never_exceed_a_limit(
    towpath: Platform, runner: Limited
) -> None:
    limit = ConcurrencyLimit(limit=3)
    await runner.offer(limit)
    dying = await towpath.router(ack_wait_s=1.0)
    ended: set[str] = set()
    most = 0
    await runner.publish(30)

    while len(ended) < 30:
        working = [run_id for run_id in await runner.handed_over() if run_id not in ended]
        most = max(most, len(working))
        for run_id in working[:2]:
            closed = await runner.end(run_id, told=False)
            ended.add(run_id)
            subject = subjects.inbox(run_id, CLOSED, run_id)
            await runner.js.publish(subject, closed.to_body())
        if len(ended) % 6 == 0 and working:
            await dying.crash()
            dying = await towpath.router(ack_wait_s=1.0)
        await asyncio.sleep(0)

    assert most <= 3
    assert len(await runner.handed_over()) == 30


async def test_what_a_router_decided_before_it_died_is_done_by_another(
    towpath: Platform, runner: Limited, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It writes that the next one may go, and dies before it hands that one over."""
    await runner.offer(ConcurrencyLimit(limit=1))
    first, second = [await runner.start() for _ in range(2)]
    handing_over = Dispatcher.dispatch
    failed: list[str] = []

    async def fail_once(self: Dispatcher, run_id: str, *said: Any) -> None:
        if not failed:
            failed.append(run_id)
            raise RuntimeError("killed")
        await handing_over(self, run_id, *said)

    monkeypatch.setattr(Dispatcher, "dispatch", fail_once)

    await runner.end(first)

    assert failed == [second]
    await runner.until_handed_over(first, second)


@pytest.mark.parametrize("seed", range(3))
async def test_a_broker_that_does_not_answer_costs_nobody_a_place(
    towpath: Platform, runner: Limited, seed: int
) -> None:
    """Of what two routers write some is not stored, and of some they are not told that it is."""
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    await runner.offer(ConcurrencyLimit(limit=3, pool="db"), ConcurrencyLimit(limit=1, key="who"))
    for router in (*towpath.hosted, await towpath.router(ack_wait_s=1.0)):
        troubled(router, chance)
    whose: dict[str, str] = {}
    for number in range(24):
        who = chance.choice("abcd")
        whose[await runner.start({"who": who}, idempotency_key=f"order-{number}")] = who
    ended: set[str] = set()

    async def work() -> int:
        working = [run_id for run_id in await runner.handed_over() if run_id not in ended]
        assert len(working) <= 3
        assert len({whose[run_id] for run_id in working}) == len(working)
        for run_id in working:
            if chance.random() < 0.5:
                closed = await runner.end(run_id, told=False)
                ended.add(run_id)
                await runner.js.publish(subjects.inbox(run_id, CLOSED, run_id), closed.to_body())
        return len(ended)

    await until(work, lambda count: count == len(whose), deadline_s=60)


def troubled(router: Hosted, chance: random.Random) -> None:
    """Have some of what a router writes not be stored, or not be confirmed."""
    publish = router.js.publish

    async def troubled_publish(subject: str, body: bytes, **said: Any) -> Stored:
        trouble = chance.random()
        if trouble < 0.04:
            raise UnconfirmedError("not sent")
        stored = await publish(subject, body, **said)
        if trouble < 0.08:
            raise UnconfirmedError("no answer")
        return stored

    router.js.publish = troubled_publish


async def test_a_run_whose_runner_died_keeps_its_place_until_it_has_ended(towpath: Platform) -> None:
    began: list[str] = []
    may_end = asyncio.Event()

    @workflow(limits=[Concurrency(1)])
    async def careful(ctx: WorkflowContext, name: str) -> None:
        began.append(name)
        await may_end.wait()

    dying = await towpath.agent_runner()
    first = await towpath.start("careful", {"name": "first"})
    await until_so(lambda: began == ["first"])
    second = await towpath.start("careful", {"name": "second"})

    await dying.crash()
    await towpath.agent_runner()
    await until_so(lambda: len(began) > 1)
    may_end.set()

    for run_id in (first, second):
        assert (await towpath.finished(run_id)).end == "completed"
    assert began == ["first", "first", "second"]
