"""A run goes on as another one, and nobody offers its component any more: that one is a run all the same.

It waits where all can see it, can be ended, holds its places until then, and fails where a runner has no such code.
"""

import pytest

from towpath_chassis.jetstream import JetStream
from towpath_schemas import identity, subjects
from towpath_schemas.calls import Answered, ChildRequested, RunClosed, RunDispatched, SignalSent
from towpath_schemas.journal import Parent
from towpath_schemas.limits import ConcurrencyLimit
from towpath_schemas.requests import ControlRequested, RequestDone, SignalRequested
from towpath_schemas.streams import DEAD, INBOX, ROUTER_INBOX, RUNS
from towpath_testkit.asking import ask
from towpath_testkit.builders import SERVICE
from towpath_testkit.hosting import Platform
from towpath_testkit.journals import run_started, write_claim, write_journal
from towpath_testkit.limited import Limited
from towpath_testkit.lines import ACME, NEXT, continued, events
from towpath_testkit.settled import messages_in, settled, until

pytestmark = pytest.mark.live

GONE = "gone"
UP = Parent(run_id="up", key="run:gone#0")
STOP = ControlRequested(reason="nobody offers it")


async def goes_on_as_new(js: JetStream, *, parent: Parent | None = None) -> None:
    """Have a run of a component that nobody offers continue as new, and the router hear of it."""
    await write_journal(js, "run-1", [run_started(GONE, parent=parent), continued()])
    await write_claim(js, "run-1")
    closed = as_new(RunClosed(run_id="run-1", end="continued", attribution=ACME), parent)
    await js.publish(subjects.inbox("run-1", "closed", "run-1"), closed.to_body())
    await settled(js, INBOX, ROUTER_INBOX)


def as_new(closed: RunClosed, parent: Parent | None) -> RunClosed:
    successor = ChildRequested(
        run_id=identity.successor_run_id(closed.run_id),
        component=GONE,
        service=SERVICE,
        input={"round": 2},
        parent=parent,
        continues=closed.run_id,
        attribution=ACME,
        correlation_id="c-1",
    )
    return closed.model_copy(update={"end": "continued", "successor": successor, "parent": None})


async def dispatched(js: JetStream) -> list[str]:
    found = await js.following(RUNS, subjects.dispatch("start", SERVICE), start=1)
    return [RunDispatched.from_body(one.body).run_id for one in found]


async def test_it_waits_for_a_runner_of_the_service_that_had_its_code(towpath: Platform) -> None:
    await goes_on_as_new(towpath.js)

    assert await dispatched(towpath.js) == [NEXT]
    assert await messages_in(towpath.js, DEAD) == 0


async def test_what_is_sent_to_the_run_before_it_reaches_it(towpath: Platform) -> None:
    await goes_on_as_new(towpath.js)

    word = await ask(towpath.js, "signal", "run-1", SignalRequested(name="paid", signal_id="s"))

    assert isinstance(word, RequestDone)
    (waits,) = await events(towpath.js, NEXT)
    assert isinstance(waits, SignalSent)


@pytest.mark.parametrize(("verb", "end"), [("cancel", "cancelled"), ("terminate", "terminated")])
@pytest.mark.parametrize("named", ["run-1", NEXT], ids=["by-the-first-id", "by-its-own"])
async def test_it_can_be_ended(towpath: Platform, verb: str, end: str, named: str) -> None:
    await goes_on_as_new(towpath.js, parent=UP)

    assert isinstance(await ask(towpath.js, verb, named, STOP), RequestDone)

    assert (await towpath.finished(NEXT)).end == end
    told = await until(lambda: events(towpath.js, "up"), bool)
    assert [one.failure.code for one in told if isinstance(one, Answered) and one.failure] == [end]


@pytest.mark.parametrize("parent", [None, UP], ids=["alone", "a-child"])
async def test_it_has_the_place_of_the_run_before_it_until_it_ends(
    towpath: Platform, parent: Parent | None
) -> None:
    runner = Limited(towpath.js)
    await runner.offer(ConcurrencyLimit(limit=1))
    first, waits = [await runner.start() for _ in range(2)]
    left = Limited(towpath.js)
    await left.offer(name="other")
    other = await left.start(name="other")  # whoever knows of this one knows that the first has gone
    closed = await runner.end(first, told=False)
    successor = identity.successor_run_id(first)

    await runner.tell(as_new(closed, parent))

    await runner.until_handed_over(first, other, successor)
    await ask(towpath.js, "cancel", successor, STOP)
    await runner.until_handed_over(first, other, successor, waits)


async def test_it_fails_where_a_runner_of_its_service_has_no_such_code(towpath: Platform) -> None:
    await goes_on_as_new(towpath.js, parent=UP)

    await towpath.agent_runner()

    failure = (await towpath.finished(NEXT)).failure
    assert failure is not None
    assert f"has no workflow '{GONE}' any more" in failure.message
