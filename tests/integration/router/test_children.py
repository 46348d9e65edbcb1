"""A run starts others: each once; and parent and child hear of each other's end, whichever is first."""

from typing import Any

import pytest

from towpath_chassis.jetstream import JetStream
from towpath_schemas import identity, subjects
from towpath_schemas.attribution import Attribution
from towpath_schemas.calls import (
    Answered,
    ChildRequested,
    ControlSent,
    RunClosed,
    RunDispatched,
    RunEvent,
    read_event,
)
from towpath_schemas.dead import DeadLetter
from towpath_schemas.failure import Failure
from towpath_schemas.journal import Parent, RunFinished, RunStarted, read_record
from towpath_schemas.streams import DEAD, INBOX, JOURNAL, REQUESTS, ROUTER_CHILDREN, ROUTER_INBOX, RUNS
from towpath_testkit.builders import SERVICE, TENANT
from towpath_testkit.hosting import Platform
from towpath_testkit.journals import AT, run_started, write_claim, write_entry, write_journal
from towpath_testkit.settled import messages_in, settled, until

pytestmark = pytest.mark.live

ACME = Attribution(tenant=TENANT, user_id="u-1")
KEY = "run:greet#0"
CHILD = identity.child_run_id("up", KEY)
UP = Parent(run_id="up", key=KEY)
ENDED = RunFinished(at=AT, end="completed")


def child_requested(**changes: Any) -> ChildRequested:
    known: dict[str, Any] = {
        "run_id": CHILD,
        "component": "greet",
        "input": {"name": "Ada"},
        "parent": UP,
        "headers": {"user-agent": "curl"},
        "attribution": ACME,
        "correlation_id": "correlation-1",
    }
    return ChildRequested.model_validate({**known, **changes})


async def request(js: JetStream, child: ChildRequested, *, headers: dict[str, str] | None = None) -> None:
    subject = subjects.child(child.attribution.tenant, child.component)
    await js.publish(subject, child.to_body(), headers=headers)
    await settled(js, REQUESTS, ROUTER_CHILDREN)


async def close(js: JetStream, run_id: str, **changes: Any) -> None:
    """Report the end of a run, as a runner does."""
    known = {"run_id": run_id, "end": "completed", "attribution": ACME}
    closed = RunClosed.model_validate({**known, **changes})
    await js.publish(subjects.inbox(run_id, "closed", run_id), closed.to_body())
    await settled(js, INBOX, ROUTER_INBOX)


async def parent(js: JetStream, *records: RunFinished) -> None:
    await write_journal(js, "up", [run_started(), *records])
    await write_claim(js, "up")


async def entry_0(js: JetStream, run_id: str = CHILD) -> RunStarted | None:
    found = await js.last(JOURNAL, subjects.journal_entry(run_id, 0))
    record = read_record(found.body) if found else None
    assert record is None or isinstance(record, RunStarted)
    return record


async def dispatched(js: JetStream) -> list[tuple[str, str]]:
    found = await js.following(RUNS, subjects.dispatches_of(SERVICE), start=1)
    return [(one.run_id, one.reason) for one in (RunDispatched.from_body(message.body) for message in found)]


async def events(js: JetStream, run_id: str) -> list[RunEvent]:
    return [read_event(one.body) for one in await js.following(INBOX, subjects.inbox_of(run_id), start=1)]


async def letters(js: JetStream) -> list[str]:
    return [DeadLetter.from_body(one.body).reason for one in await js.following(DEAD, "dead.v1.>", start=1)]


# --- Its beginning ------------------------------------------------------------------------------------


async def test_a_child_is_a_run_of_its_parents_requester(towpath: Platform) -> None:
    await parent(towpath.js)
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    await request(towpath.js, child_requested(), headers={"traceparent": trace})

    started = await entry_0(towpath.js)
    assert started is not None
    assert (started.component, started.component_kind, started.service) == ("greet", "workflow", SERVICE)
    assert (started.parent, started.attribution, started.correlation_id) == (UP, ACME, "correlation-1")
    assert (started.input, started.headers) == ({"name": "Ada"}, {"user-agent": "curl"})
    assert started.traceparent == trace
    assert await dispatched(towpath.js) == [(CHILD, "start")]


async def test_a_child_that_is_asked_for_twice_is_started_once(towpath: Platform) -> None:
    await parent(towpath.js)

    await request(towpath.js, child_requested())
    await request(towpath.js, child_requested(input={"name": "Grace"}))

    started = await entry_0(towpath.js)
    assert started is not None
    assert started.input == {"name": "Ada"}
    assert await dispatched(towpath.js) == [(CHILD, "start")]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"component": "nobody"}, "no service offers a component 'nobody'; there are: greet"),
        ({"service": "other"}, "service 'other' does not offer a component 'greet'"),
        ({"component": "look_up"}, "look_up"),
    ],
    ids=["unknown", "of-another-service", "a-tool"],
)
async def test_a_parent_is_told_that_nobody_offers_what_it_wants(
    towpath: Platform, changes: dict[str, str], says: str
) -> None:
    await parent(towpath.js)

    await request(towpath.js, child_requested(**changes))

    (told,) = await events(towpath.js, "up")
    assert isinstance(told, Answered)
    assert told.failure is not None
    assert (told.key, told.failure.code) == (KEY, "unknown_component")
    assert says in told.failure.message
    assert await entry_0(towpath.js) is None


async def test_where_no_parent_waits_the_request_is_kept_to_be_redriven(towpath: Platform) -> None:
    await request(towpath.js, child_requested(component="nobody", parent=None))

    (reason,) = await until(lambda: letters(towpath.js), bool)
    assert "nobody" in reason


@pytest.mark.parametrize(
    ("subject", "body"),
    [
        (subjects.child("other", "greet"), child_requested().to_body()),
        (subjects.child(TENANT, "trip"), child_requested().to_body()),
        (subjects.child(TENANT, "greet"), b"{"),
    ],
    ids=["of-another-tenant", "of-another-component", "no-json"],
)
async def test_what_does_not_belong_at_the_runners_door_starts_nothing(
    towpath: Platform, subject: str, body: bytes
) -> None:
    await towpath.js.publish(subject, body)

    assert len(await until(lambda: letters(towpath.js), bool)) == 1
    assert await entry_0(towpath.js) is None


# --- Its end ------------------------------------------------------------------------------------------

NO = Failure(code="user_error", message="no")


@pytest.mark.parametrize(
    ("closed", "result", "failure"),
    [
        ({"result": 7}, 7, None),
        ({"end": "failed", "failure": NO}, None, "user_error"),
        ({"end": "cancelled"}, None, "cancelled"),
        ({"end": "terminated"}, None, "terminated"),
    ],
    ids=["completed", "failed", "cancelled", "terminated"],
)
async def test_a_parent_is_told_how_its_child_ended(
    towpath: Platform, closed: dict[str, Any], result: Any, failure: str | None
) -> None:
    await parent(towpath.js)

    for _ in range(2):
        await close(towpath.js, CHILD, parent=UP, **closed)

    (told,) = await events(towpath.js, "up")
    assert isinstance(told, Answered)
    assert (told.key, told.result) == (KEY, result)
    assert (told.failure.code if told.failure else None) == failure


async def test_a_parent_that_has_ended_is_not_told_and_not_waked(towpath: Platform) -> None:
    await parent(towpath.js, ENDED)

    await close(towpath.js, CHILD, parent=UP)

    assert await events(towpath.js, "up") == []
    assert await dispatched(towpath.js) == []


async def test_children_that_go_on_are_asked_to_end(towpath: Platform) -> None:
    for run_id, records in {"one": [], "over": [ENDED]}.items():
        await write_journal(towpath.js, run_id, [run_started(), *records])
        await write_claim(towpath.js, run_id)

    for _ in range(2):
        await close(towpath.js, "up", children=("one", "over", "never-made"))

    (control,) = await events(towpath.js, "one")
    assert isinstance(control, ControlSent)
    assert (control.control, control.attribution) == ("cancel", ACME)
    assert await events(towpath.js, "over") == await events(towpath.js, "never-made") == []


@pytest.mark.parametrize(("policy", "count"), [("cancel", 1), ("abandon", 0)])
async def test_a_child_that_is_made_after_its_parents_end_is_asked_to_end_if_it_is_to(
    towpath: Platform, policy: str, count: int
) -> None:
    await parent(towpath.js, ENDED)
    up = UP.model_copy(update={"close_policy": policy})

    await request(towpath.js, child_requested(parent=up))

    assert await entry_0(towpath.js) is not None
    assert [one.kind for one in await events(towpath.js, CHILD)] == ["control"] * count


async def test_a_successor_goes_on_with_the_parent_of_the_run_before(towpath: Platform) -> None:
    successor = child_requested(run_id="next", continues="run-1")
    await write_journal(towpath.js, "run-1", [run_started()])

    for _ in range(2):
        await close(towpath.js, "run-1", end="continued", successor=successor)

    started = await entry_0(towpath.js, "next")
    assert started is not None
    assert (started.continues, started.parent) == ("run-1", UP)
    assert await dispatched(towpath.js) == [("next", "start")]


async def test_a_run_that_stands_for_its_own_child_does_not_wait_for_itself(towpath: Platform) -> None:
    await parent(towpath.js)

    await close(towpath.js, CHILD, end="continued", parent=UP, merged_into="up")

    (told,) = await events(towpath.js, "up")
    assert isinstance(told, Answered)
    assert told.failure is not None
    assert (told.key, told.failure.code) == (KEY, "user_error")
    assert "would wait for itself" in told.failure.message


async def test_what_waited_for_a_run_that_has_ended_is_removed_and_nothing_else(towpath: Platform) -> None:
    js = towpath.js
    await write_journal(js, "run-1", [run_started(), ENDED])
    for run_id in ("run-1", "run-2"):
        target = subjects.inbox(run_id, "result", "t")
        await js.schedule(subjects.timer(run_id, "t"), target=target, body=b"{}", at=4_000_000_000.0)

    await close(js, "run-1")

    left = [one.subject for one in await js.following(INBOX, ">", start=1)]
    assert left == [subjects.timer("run-2", "t")]


@pytest.mark.parametrize("body", [b"{", child_requested().to_body()], ids=["no-json", "something-else"])
async def test_news_of_an_end_that_cannot_be_read_is_given_up(towpath: Platform, body: bytes) -> None:
    await write_entry(towpath.js, "run-1", 0, run_started())

    await towpath.js.publish(subjects.inbox("run-1", "closed", "run-1"), body)

    (reason,) = await until(lambda: letters(towpath.js), bool)
    assert "RunClosed" in reason
    assert await messages_in(towpath.js, RUNS) == 0
