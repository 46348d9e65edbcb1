"""Signals and controls reach the run they name, once; nobody reaches a run of another tenant, or one that has ended."""

from typing import Any

import pytest

from towpath_chassis.jetstream import JetStream
from towpath_chassis.messages import Message
from towpath_schemas import identity, subjects
from towpath_schemas.approvals import approval_id
from towpath_schemas.attribution import Attribution, AttributionClaim
from towpath_schemas.calls import ControlSent, RunDispatched, RunEvent, SignalSent, Taken, read_event
from towpath_schemas.journal import (
    CallSettled,
    CancelReceived,
    JournalRecord,
    PauseReceived,
    RunFinished,
    SignalReceived,
    StartRefused,
    read_record,
)
from towpath_schemas.requests import (
    ControlRequested,
    DecisionRequested,
    ForkRequested,
    RequestDone,
    RequestRefused,
    SignalRequested,
)
from towpath_schemas.streams import INBOX, JOURNAL, ROUTER_INBOX, RUNS
from towpath_testkit.asking import ask, code_of
from towpath_testkit.builders import SERVICE, TENANT
from towpath_testkit.hosting import Platform
from towpath_testkit.journals import AT, run_started, write_claim, write_journal
from towpath_testkit.settled import messages_in, settled, until

pytestmark = pytest.mark.live

ENDED = RunFinished(at=AT, end="completed")
GRACE = AttributionClaim(user_id="grace", user_role="operator")
PAID = SignalRequested(name="paid", payload={"sum": 7}, attribution=GRACE)


async def begun(js: JetStream, *records: JournalRecord, run_id: str = "run-1", **started: Any) -> None:
    """Write the journal of a run that a runner has begun."""
    await write_journal(js, run_id, [run_started(**started), *records])
    await write_claim(js, run_id)


async def sent(js: JetStream, run_id: str = "run-1") -> list[RunEvent]:
    return [read_event(one.body) for one in await js.following(INBOX, subjects.inbox_of(run_id), start=1)]


async def waked(js: JetStream) -> list[str]:
    found = await js.following(RUNS, subjects.dispatch("resume", SERVICE), start=1)
    return [RunDispatched.from_body(one.body).run_id for one in found]


async def test_a_signal_is_kept_for_its_run_and_wakes_it(towpath: Platform) -> None:
    await begun(towpath.js)

    word = await ask(towpath.js, "signal", "run-1", PAID, request_id="request-1")

    assert word == RequestDone(subject=subjects.request(TENANT, "signal", "run-1"), targets=("run-1",))
    by = Attribution(tenant=TENANT, user_id="grace", user_role="operator")
    assert await sent(towpath.js) == [
        SignalSent(signal_id="request-1", run_id="run-1", name="paid", payload={"sum": 7}, attribution=by)
    ]
    assert await until(lambda: waked(towpath.js), bool) == ["run-1"]


async def test_a_signal_goes_straight_to_whoever_holds_its_run_and_is_kept_no_longer(
    towpath: Platform,
) -> None:
    await begun(towpath.js)
    offered: list[RunEvent] = []

    async def take(message: Message) -> None:
        offered.append(read_event(message.data))
        await towpath.js.respond(message, Taken(taken=True).to_body())

    await towpath.js.subscribe(subjects.live("run-1"), take)

    await ask(towpath.js, "signal", "run-1", PAID)

    await until(lambda: sent(towpath.js), lambda left: offered and not left)
    await settled(towpath.js, INBOX, ROUTER_INBOX)
    assert len(offered) == 1
    assert await waked(towpath.js) == []


@pytest.mark.parametrize("verb", ["cancel", "pause", "unpause"])
async def test_a_control_is_sent_with_who_wanted_it_and_why(towpath: Platform, verb: str) -> None:
    await begun(towpath.js)
    asked = ControlRequested(reason="too dear", attribution=GRACE)

    word = await ask(towpath.js, verb, "run-1", asked)

    assert code_of(word) is None
    (control,) = await sent(towpath.js)
    assert isinstance(control, ControlSent)
    assert (control.control, control.reason, control.attribution.user_id) == (verb, "too dear", "grace")


async def test_the_same_signal_or_request_that_comes_twice_is_one(towpath: Platform) -> None:
    await begun(towpath.js)

    for request_id in ("request-1", "request-1", "request-2"):
        await ask(towpath.js, "signal", "run-1", PAID.model_copy(update={"signal_id": "s"}))
        await ask(towpath.js, "pause", "run-1", ControlRequested(), request_id=request_id)

    assert [one.kind for one in await sent(towpath.js)] == ["signal", "control", "control"]


async def test_one_signal_id_may_be_used_for_many_runs(towpath: Platform) -> None:
    for run_id in ("run-1", "run-2"):
        await begun(towpath.js, run_id=run_id)
        await ask(towpath.js, "signal", run_id, PAID.model_copy(update={"signal_id": "s"}))

    assert [len(await sent(towpath.js, run_id)) for run_id in ("run-1", "run-2")] == [1, 1]


async def test_signals_of_one_sender_are_kept_in_their_order(towpath: Platform) -> None:
    await begun(towpath.js)

    for number in range(20):
        await ask(towpath.js, "signal", "run-1", SignalRequested(name="n", payload=number))

    assert [one.payload for one in await sent(towpath.js) if isinstance(one, SignalSent)] == [*range(20)]


VERBS = ["signal", "cancel", "pause", "unpause", "terminate", "decide", "fork"]


def body_of(verb: str) -> Any:
    bodies = {
        "signal": PAID,
        "decide": DecisionRequested(decision="approved"),
        "fork": ForkRequested(until="a#0"),
    }
    return bodies.get(verb, ControlRequested())


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("target", ["nobody", "theirs", "*", ">", "*.0.0", "run 1", ""], ids=ascii)
async def test_a_run_that_is_not_the_tenants_is_unknown_whoevers_it_is(
    towpath: Platform, verb: str, target: str
) -> None:
    await begun(towpath.js, run_id="theirs", tenant="other")
    await begun(towpath.js, run_id="ours")
    before = await messages_in(towpath.js, JOURNAL)

    word = await ask(towpath.js, verb, approval_id(target, 0) if verb == "decide" else target, body_of(verb))

    assert code_of(word) == "unknown_run"
    assert await messages_in(towpath.js, INBOX) == 0
    assert await messages_in(towpath.js, JOURNAL) == before + 1, "only the refusal is new"
    assert "other" not in str(word)


@pytest.mark.parametrize("verb", ["signal", "cancel", "pause", "unpause", "terminate"])
async def test_nothing_can_be_asked_of_a_run_that_has_ended(towpath: Platform, verb: str) -> None:
    await begun(towpath.js, ENDED)

    word = await ask(towpath.js, verb, "run-1", body_of(verb))

    assert code_of(word) == "run_ended"
    assert await messages_in(towpath.js, INBOX) == 0


async def test_a_refusal_is_journaled_with_who_asked(towpath: Platform) -> None:
    await begun(towpath.js, ENDED)

    await ask(towpath.js, "signal", "run-1", PAID, request_id="request-1")

    subject = subjects.request(TENANT, "signal", "run-1")
    place = subjects.journal_entry(identity.derived_id("refusal", subject, "request-1"), 0)
    found = await towpath.js.last(JOURNAL, place)
    record = read_record(found.body if found else b"")
    assert isinstance(record, StartRefused)
    assert (record.failure.code, record.attribution.user_id) == ("run_ended", "grace")


BY = Attribution(tenant=TENANT)
CANCEL_ID = identity.derived_id("cancel", "run-1", "request-1")
PAUSE_ID = identity.derived_id("pause", "run-1", "request-1")


@pytest.mark.parametrize(
    ("verb", "record"),
    [
        ("signal", SignalReceived(at=AT, signal_id="request-1", name="paid", attribution=BY)),
        ("signal", CallSettled(at=AT, key="s#0", act="signal", target="paid", source="request-1")),
        ("cancel", CancelReceived(at=AT, event_id=CANCEL_ID, attribution=BY)),
        ("pause", PauseReceived(at=AT, event_id=PAUSE_ID, paused=True, attribution=BY)),
    ],
    ids=["kept", "consumed", "cancelled", "paused"],
)
async def test_a_request_that_comes_again_after_the_run_took_it_and_ended_is_done(
    towpath: Platform, verb: str, record: JournalRecord
) -> None:
    await begun(towpath.js, record, ENDED)

    again = await ask(towpath.js, verb, "run-1", body_of(verb), request_id="request-1")
    other = await ask(towpath.js, verb, "run-1", body_of(verb), request_id="request-2")

    assert isinstance(again, RequestDone)
    assert isinstance(other, RequestRefused)
    assert await messages_in(towpath.js, INBOX) == 0
