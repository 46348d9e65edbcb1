"""What a run leaves to the one that goes on from it: what came for it and was not heard."""

import pytest

from towpath_schemas.attribution import Attribution
from towpath_schemas.calls import Answered, ControlSent, RunEvent, SignalSent
from towpath_schemas.identity import successor_run_id
from towpath_schemas.journal import (
    CallSettled,
    CancelReceived,
    JournalRecord,
    PauseReceived,
    RunFinished,
    SignalReceived,
    SignalReturned,
)
from towpath_schemas.object_keys import turn_signal
from towpath_schemas.succession import heard_before, heard_digest, heir_of, left_over, readdressed
from towpath_testkit.journals import AT, run_started

GRACE = Attribution(tenant="acme", user_id="grace")


def came(signal_id: str, name: str = "paid") -> SignalReceived:
    return SignalReceived(at=AT, signal_id=signal_id, name=name, payload=signal_id, attribution=GRACE)


def taken(signal_id: str, key: str = "signal:paid#0") -> CallSettled:
    return CallSettled(at=AT, key=key, act="signal", target="paid", result=signal_id, source=signal_id)


def returned(signal_id: str, key: str = "signal:paid#0") -> SignalReturned:
    return SignalReturned(at=AT, key=key, signal_id=signal_id, name="paid")


def pause(*, paused: bool) -> PauseReceived:
    return PauseReceived(at=AT, event_id=f"pause-{paused}", paused=paused, attribution=GRACE)


CANCEL = CancelReceived(at=AT, event_id="cancel", reason="enough", attribution=GRACE)


@pytest.mark.parametrize(
    ("records", "left"),
    [
        ([], []),
        ([came("a"), came("b"), taken("a")], ["b"]),
        ([came("a"), came("b"), taken("a"), returned("a")], ["a", "b"]),
        ([taken("a"), came("b"), returned("a")], ["a", "b"]),
        (
            [taken("a", "1"), taken("b", "2"), came("c"), returned("a", "1"), returned("b", "2")],
            ["a", "b", "c"],
        ),
        ([came("turn", turn_signal("run-1:join#0"))], []),
        ([pause(paused=True), CANCEL, came("a")], ["pause-True", "cancel", "a"]),
        ([pause(paused=True), pause(paused=False)], []),
    ],
    ids=[
        "nothing",
        "not-taken",
        "returned",
        "returned-to-none",
        "several-returned",
        "turn",
        "wishes",
        "unpaused",
    ],
)
def test_a_run_leaves_what_no_wait_got_and_the_wishes_that_still_hold(
    records: list[JournalRecord], left: list[str]
) -> None:
    found = left_over("next", [run_started(), *records])

    assert [one.signal_id if isinstance(one, SignalSent) else one.event_id for one in found] == left
    assert {one.run_id for one in found} <= {"next"}


def test_a_signal_is_left_with_what_it_says_and_who_sent_it_if_that_is_known() -> None:
    kept, direct = left_over("next", [run_started(), came("a"), taken("b"), returned("b")])

    assert isinstance(kept, SignalSent)
    assert (kept.name, kept.payload, kept.attribution) == ("paid", "a", GRACE)
    assert isinstance(direct, SignalSent)
    assert (direct.name, direct.payload, direct.attribution) == ("paid", "b", run_started().attribution)


@pytest.mark.parametrize(
    ("event", "heir"),
    [
        (SignalSent(signal_id="s", run_id="run-1", name="paid", attribution=GRACE), "next"),
        (ControlSent(event_id="c", run_id="run-1", control="cancel", attribution=GRACE), "next"),
        (SignalSent(signal_id="s", run_id="run-1", name=turn_signal("me"), attribution=GRACE), None),
        (Answered(answer_id="a", run_id="run-1", key="task:f#0"), None),
    ],
    ids=["signal", "control", "turn", "answer"],
)
def test_what_is_for_one_run_alone_is_not_for_its_heir(event: RunEvent, heir: str | None) -> None:
    passed = readdressed(event, "next")

    assert passed == (event.model_copy(update={"run_id": heir}) if heir else None)


def test_only_who_goes_on_from_a_run_is_its_heir() -> None:
    heir = successor_run_id("run-1")

    assert heir_of("run-1", RunFinished(at=AT, end="continued", successor=heir)) == heir
    assert heir_of("run-1", RunFinished(at=AT, end="continued", successor="holder")) is None
    assert heir_of("run-1", RunFinished(at=AT, end="completed")) is None


def test_an_heir_knows_what_was_taken_before_it_and_is_not_left_to_it() -> None:
    records = [run_started(), came("left"), taken("used"), CANCEL, pause(paused=True), pause(paused=False)]

    heard = heard_before([heard_digest("earlier")], records, left_over("next", records))

    assert heard == tuple(map(heard_digest, ("earlier", "used", "pause-True", "pause-False")))


def test_of_what_was_taken_long_before_it_an_heir_knows_nothing() -> None:
    earlier = [heard_digest(f"signal-{number}") for number in range(2_000)]

    heard = heard_before(earlier, [taken("used")], [])

    assert len(heard) == 1_000
    assert heard == (*earlier[-999:], heard_digest("used"))
