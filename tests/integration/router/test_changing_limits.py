"""Limits that are declared anew while runs wait: whoever may go by the new rule goes, whatever has become of routers."""

from typing import Any

import pytest

from towpath_chassis.errors import UnconfirmedError
from towpath_chassis.messages import StoredMessage
from towpath_chassis.presence import Watch
from towpath_router.catalogue import Catalogue
from towpath_router.dispatching import Dispatcher
from towpath_router.gates.gates import Gates
from towpath_router.gates.naming import gate_id
from towpath_router.gates.rulings import Rulings
from towpath_router.passing import Passage
from towpath_schemas import subjects
from towpath_schemas.gates import Ruling, RunEntered
from towpath_schemas.journal import RunStarted
from towpath_schemas.limits import ConcurrencyLimit, GatePassed
from towpath_schemas.requests import ControlRequested
from towpath_schemas.streams import CATALOGUE, Stream
from towpath_testkit.asking import ask
from towpath_testkit.builders import SERVICE, TENANT
from towpath_testkit.hosting import Platform
from towpath_testkit.journals import AT, run_started, write_entry
from towpath_testkit.limited import Limited
from towpath_testkit.settled import until

pytestmark = pytest.mark.live

ONE = ConcurrencyLimit(limit=1)
TWO = ConcurrencyLimit(limit=2)


@pytest.fixture
def runner(towpath: Platform) -> Limited:
    return Limited(towpath.js)


async def all_go(runner: Limited, runs: list[str]) -> None:
    await until(runner.handed_over, lambda seen: sorted(seen) == sorted(runs))


async def test_a_limit_that_is_raised_or_lifted_lets_those_go_who_wait(runner: Limited) -> None:
    await runner.offer(ONE)
    runs = [await runner.start() for _ in range(5)]

    await runner.offer(TWO)
    await runner.until_handed_over(*runs[:2])
    await runner.offer()

    await all_go(runner, runs)


async def test_of_a_pool_the_strictest_limit_holds(runner: Limited) -> None:
    await runner.offer(ConcurrencyLimit(limit=5, pool="db"))
    await runner.offer(ConcurrencyLimit(limit=2, pool="db"), name="report")
    report = await runner.start(name="report")  # whoever has heard of it has heard of its limit

    runs = [report, *[await runner.start() for _ in range(2)]]

    assert await runner.handed_over() == runs[:2]


# --- A registration that comes at a bad time ------------------------------------------------------


async def test_a_registration_counts_although_it_is_not_to_be_read_yet_when_it_is_heard_of(
    runner: Limited, towpath: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker tells those who listen before it stores, and a replica may answer that has not stored it yet."""
    await runner.offer(ONE)
    runs = [await runner.start() for _ in range(3)]
    (router,) = towpath.hosted
    following = router.js.following

    async def behind(stream: Stream, subject: str, **said: Any) -> list[StoredMessage]:
        return [] if stream == CATALOGUE else await following(stream, subject, **said)

    monkeypatch.setattr(router.js, "following", behind)

    await runner.offer()

    await all_go(runner, runs)


async def test_what_is_registered_while_a_router_starts_is_not_missed(
    runner: Limited, towpath: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    await runner.offer(ONE)
    runs = [await runner.start() for _ in range(3)]
    (router,) = towpath.hosted
    await router.stop()
    listen = Watch.listen

    async def after_a_registration(watch: Watch) -> None:
        await runner.offer()
        await listen(watch)

    monkeypatch.setattr(Watch, "listen", after_a_registration)

    await towpath.router()

    await all_go(runner, runs)


async def test_what_is_registered_while_the_broker_cannot_be_reached_is_not_missed(
    runner: Limited, towpath: Platform
) -> None:
    await runner.offer(ONE)
    runs = [await runner.start() for _ in range(3)]
    (router,) = towpath.hosted
    transport = router.js.nats._transport
    assert transport is not None
    transport.close()  # it comes again

    await runner.offer()

    await all_go(runner, runs)


# --- Gates that nobody knows, and others that hold them up ----------------------------------------


async def test_those_go_too_who_came_to_a_router_that_is_gone(runner: Limited) -> None:
    """The router that is left knows the gate, and not that somebody waits there by now."""
    await runner.offer(ONE)
    first = await runner.start()
    gate = GatePassed(gate_id=gate_id(TENANT, "bounded", ONE, None), limit=ONE)
    await write_entry(runner.js, "second", 0, run_started("bounded", gates=(gate,)))
    gone = Gates(runner.js, Rulings(Catalogue(runner.js))).of(gate.gate_id)
    ruling = Ruling(limit=ONE, component="bounded", service=SERVICE)
    await gone.tell(RunEntered(run_id="second", asked_at=AT), ruling=ruling)

    await runner.offer(TWO)

    await runner.until_handed_over(first, "second")


async def test_a_gate_that_cannot_be_read_holds_up_no_other(runner: Limited) -> None:
    await runner.js.publish(subjects.gate("of-a-newer-router"), b"{}")
    await runner.offer(ONE)
    runs = [await runner.start() for _ in range(2)]

    await runner.offer(TWO)

    await runner.until_handed_over(*runs)


async def test_who_cannot_be_handed_over_by_another_rule_just_now_is_soon(
    runner: Limited, monkeypatch: pytest.MonkeyPatch
) -> None:
    await runner.offer(ONE)
    runs = [await runner.start() for _ in range(2)]
    handing_over = Dispatcher.dispatch
    failed: list[str] = []

    async def fail_once(self: Dispatcher, run_id: str, *said: Any) -> None:
        if not failed:
            failed.append(run_id)
            raise UnconfirmedError("no answer")
        await handing_over(self, run_id, *said)

    monkeypatch.setattr(Dispatcher, "dispatch", fail_once)

    await runner.offer(TWO)

    await runner.until_handed_over(*runs)
    assert failed == runs[1:]


async def test_one_that_was_cancelled_on_its_way_to_its_gate_takes_no_place_there_by_another_rule(
    runner: Limited, monkeypatch: pytest.MonkeyPatch
) -> None:
    await runner.offer(ONE)
    first = await runner.start()
    begin = Passage.begin

    async def once_cancelled(self: Passage, run_id: str, started: RunStarted) -> None:
        await ask(runner.js, "cancel", run_id, ControlRequested(reason="enough"))
        await begin(self, run_id, started)

    with monkeypatch.context() as late:
        late.setattr(Passage, "begin", once_cancelled)
        await runner.start()
    third = await runner.start()

    await runner.offer(TWO)

    await runner.until_handed_over(first, third)
