"""Events that found nobody, and runs whose runner is gone, are brought together."""

import asyncio

import pytest

from towpath_chassis.inbox import bring, keep
from towpath_chassis.jetstream import JetStream
from towpath_chassis.messages import Expect, Message
from towpath_chassis.presence import present
from towpath_chassis.streams import ensure_consumer
from towpath_schemas import subjects
from towpath_schemas.calls import Answered, RunDispatched, Taken
from towpath_schemas.dead import DeadLetter
from towpath_schemas.journal import Claimed, RunFinished
from towpath_schemas.streams import DEAD, INBOX, JOURNAL, ROUTER_INBOX, RUNS, runner_consumer
from towpath_testkit.builders import SERVICE, answered, heartbeat, run_dispatched
from towpath_testkit.hosting import Platform
from towpath_testkit.journals import AT, run_started, write_claim, write_entry, write_journal
from towpath_testkit.settled import messages_in, settled, until, until_so, until_there_are

pytestmark = pytest.mark.live


async def waked(js: JetStream) -> list[tuple[str, str]]:
    found = await js.following(RUNS, subjects.dispatch("resume", SERVICE), start=1)
    return [(one.run_id, one.reason) for one in (RunDispatched.from_body(message.body) for message in found)]


async def holding(js: JetStream, run_id: str, *, takes: bool) -> list[Answered]:
    """Hold a run as a runner does, and say of each event whether it was taken."""
    offered: list[Answered] = []

    async def take(message: Message) -> None:
        offered.append(Answered.from_body(message.data))
        await js.respond(message, Taken(taken=takes).to_body())

    await js.subscribe(subjects.live(run_id), take)
    return offered


async def test_an_answer_for_a_run_that_nobody_holds_is_kept_and_wakes_it(towpath: Platform) -> None:
    await write_entry(towpath.js, "run-1", 0, run_started())

    await bring(towpath.js, answered("task:a#0", 1))

    assert await until(lambda: waked(towpath.js), lambda found: found) == [("run-1", "wake")]
    await settled(towpath.js, INBOX, ROUTER_INBOX)
    kept = await towpath.js.newest_of_each(INBOX, subjects.inbox_of("run-1"))
    assert [Answered.from_body(one.body).result for one in kept] == [1]


async def test_an_answer_for_a_run_that_is_held_goes_straight_to_it(towpath: Platform) -> None:
    offered = await holding(towpath.js, "run-1", takes=True)

    await bring(towpath.js, answered("task:a#0", 1))

    assert [one.result for one in offered] == [1]
    assert await messages_in(towpath.js, INBOX) == 0


async def test_an_answer_that_the_holder_does_not_take_is_kept_and_wakes_the_run(towpath: Platform) -> None:
    await write_entry(towpath.js, "run-1", 0, run_started())
    offered = await holding(towpath.js, "run-1", takes=False)

    await bring(towpath.js, answered("task:a#0", 1))

    assert await until(lambda: waked(towpath.js), lambda found: found) == [("run-1", "wake")]
    assert len(offered) == 2


async def test_an_event_that_is_brought_twice_is_kept_once(towpath: Platform) -> None:
    await write_entry(towpath.js, "run-1", 0, run_started())

    for _ in range(2):
        await bring(towpath.js, answered("task:a#0", 1))
    await settled(towpath.js, INBOX, ROUTER_INBOX)

    assert await messages_in(towpath.js, INBOX) == 1
    assert await waked(towpath.js) == [("run-1", "wake")]


async def test_an_event_for_a_run_that_does_not_exist_is_given_up_with_the_reason(towpath: Platform) -> None:
    await bring(towpath.js, answered("task:a#0", 1, run_id="nobody"))

    await until(lambda: messages_in(towpath.js, DEAD), lambda count: count == 1)
    found = await towpath.js.last(DEAD, subjects.dead("INBOX", ROUTER_INBOX))
    assert found is not None
    assert DeadLetter.from_body(found.body).reason == "there is no run nobody"


async def test_an_event_for_a_run_that_has_ended_wakes_nobody_and_is_dropped(towpath: Platform) -> None:
    await write_journal(towpath.js, "run-1", [run_started(), RunFinished(at=AT, end="completed")])
    await write_journal(towpath.js, "run-2", [run_started()])

    for run_id in ("run-1", "run-2"):
        await bring(towpath.js, answered("task:a#0", 1, run_id=run_id))

    assert await until(lambda: waked(towpath.js), bool) == [("run-2", "wake")]
    await settled(towpath.js, INBOX, ROUTER_INBOX)
    left = await towpath.js.following(INBOX, subjects.EVERY_INBOX_EVENT, start=1)
    assert [subjects.run_of(one.subject) for one in left] == ["run-2"]


async def test_a_run_that_may_still_be_getting_what_another_leaves_to_it_is_not_waked(
    towpath: Platform,
) -> None:
    js = towpath.js
    for run_id in ("fresh", "begun"):
        await write_entry(js, run_id, 0, run_started(continues="run-1"))
    await write_claim(js, "begun")

    for run_id in ("fresh", "begun"):
        await keep(js, answered("task:a#0", 1, run_id=run_id))

    await settled(js, INBOX, ROUTER_INBOX)
    assert await waked(js) == [("begun", "wake")]
    left = await js.following(INBOX, subjects.EVERY_INBOX_EVENT, start=1)
    assert [subjects.run_of(one.subject) for one in left] == ["fresh", "begun"]


async def test_an_event_that_is_taken_after_all_is_kept_no_longer(towpath: Platform) -> None:
    offered = await holding(towpath.js, "run-1", takes=True)

    await keep(towpath.js, answered("task:a#0", 1))

    await until_so(lambda: offered)
    await until_there_are(towpath.js, INBOX, 0)
    assert await waked(towpath.js) == []


UNLISTED = "unlisted"
"""A service that the catalogue does not know, so that a router that starts does not look back at it."""


async def test_of_a_lost_runner_exactly_the_runs_it_had_in_its_hands_are_recovered(towpath: Platform) -> None:
    """`mine` is claimed by the lost one, `other` by one that lives; `odd` has no first entry; `new` has no claim."""
    js = towpath.js
    await towpath.router(lost_after_s=1.1)
    for run_id in ("mine", "other", "new", "waiting"):
        await write_entry(js, run_id, 0, run_started(service=SERVICE))
    for run_id, runner in (("mine", "lost"), ("other", "alive"), ("odd", "lost")):
        body = Claimed(runner=runner, at=0).to_body()
        await js.publish(subjects.claim(run_id, 1), body, expect=Expect(0))
    await ensure_consumer(js, RUNS, runner_consumer(SERVICE), filter_subject=subjects.dispatches_of(SERVICE))
    for run_id in ("odd", "mine", "other", "new"):
        await js.publish(subjects.dispatch("start", SERVICE), run_dispatched(run_id).to_body())
    await js.publish(subjects.dispatch("start", SERVICE), b"not a dispatch")
    await _take_in_hand(js, 5)
    await js.publish(subjects.dispatch("start", SERVICE), run_dispatched("waiting").to_body())

    await js.tell(subjects.presence("agent-runner", "lost"), heartbeat("lost").to_body())

    async with present(js, heartbeat("alive")):
        found = await until(lambda: waked(js), lambda found: len(found) >= 2)
    assert sorted(found) == [("mine", "recover"), ("new", "recover")]


async def _take_in_hand(js: JetStream, count: int, service: str = SERVICE) -> None:
    """Take messages from the broker as a runner does, and then do nothing."""
    taken: list[Message] = []
    enough = asyncio.Event()

    async def take(message: Message) -> None:
        taken.append(message)
        if len(taken) == count:
            enough.set()

    await js.subscribe("dead-hand", take)
    subject = f"$JS.API.CONSUMER.MSG.NEXT.{RUNS.name}.{runner_consumer(service)}"
    await js.nats.publish(subject, b'{"batch": %d, "expires": 1000000000}' % count, reply="dead-hand")
    await enough.wait()


async def test_a_runner_that_lives_or_left_is_not_recovered_from(towpath: Platform) -> None:
    js = towpath.js
    leaving = heartbeat("left", state="leaving", service=UNLISTED)
    await towpath.router(lost_after_s=1.1)
    await write_entry(js, "mine", 0, run_started(service=UNLISTED))
    await js.publish(subjects.claim("mine", 1), Claimed(runner="left", at=0).to_body(), expect=Expect(0))
    await ensure_consumer(
        js, RUNS, runner_consumer(UNLISTED), filter_subject=subjects.dispatches_of(UNLISTED)
    )
    await js.publish(subjects.dispatch("start", UNLISTED), run_dispatched("mine").to_body())
    await _take_in_hand(js, 1, UNLISTED)

    await js.tell(subjects.presence("agent-runner", "left"), heartbeat("left", service=UNLISTED).to_body())
    await js.tell(subjects.presence("agent-runner", "left"), leaving.to_body())
    other = heartbeat("other", service="other")
    await js.tell(subjects.presence("agent-runner", "other"), other.to_body())
    loop = asyncio.get_running_loop()
    began = loop.time()

    await until_so(lambda: loop.time() - began > 1.8)
    assert await waked(js) == []
    assert await js.last(JOURNAL, subjects.claim("mine", 1)) is not None
