"""A fork repeats what the run that it is a fork of has done, though that run's ids may be among the arguments."""

from typing import Any

import pytest

from towpath.engine.asked import Asked, call_asked
from towpath.engine.beginning import key_of
from towpath.engine.history import History
from towpath.errors import NonDeterminismError
from towpath_schemas.failure import Failure
from towpath_schemas.journal import AttemptFailed, CallIntended, CallSettled, JournalRecord
from towpath_testkit.journals import AT, run_started


def called(run_id: str, key: str = "task:pay#0") -> list[JournalRecord]:
    """Write that a run has passed its id to a call."""
    intended = CallIntended(at=AT, key=key, act="task", target="pay", input={"for": run_id})
    return [intended, CallSettled(at=AT, key=key, act="task", target="pay", result=f"paid for {run_id}")]


def asked(run_id: str, key: str = "task:pay#0", target: str = "pay") -> Asked:
    return call_asked(key, "task", target, {"for": run_id})


def fork(*taken_over: JournalRecord, done: tuple[JournalRecord, ...] = (), **started: Any) -> History:
    first = run_started(forked_from="origin", taken_over=len(taken_over), **started)
    return History(enumerate([first, *taken_over, *done]))


def test_a_call_that_was_taken_over_is_answered_though_it_had_the_id_of_the_origin() -> None:
    settled = fork(*called("origin")).settled(asked("fork"))

    assert isinstance(settled, CallSettled)
    assert settled.result == "paid for origin"


def test_another_call_in_its_place_is_refused() -> None:
    with pytest.raises(NonDeterminismError, match="of 'lend'"):
        fork(*called("origin")).settled(asked("fork", target="lend"))


def test_what_the_fork_has_done_itself_is_compared_with_its_arguments() -> None:
    past = fork(*called("origin"), done=tuple(called("fork", "task:pay#1")))

    assert past.settled(asked("fork", "task:pay#1")) is not None
    with pytest.raises(NonDeterminismError, match=r"'for': 'other'"):
        past.settled(asked("other", "task:pay#1"))


def test_a_run_that_is_no_fork_is_compared_with_its_arguments() -> None:
    past = History(enumerate([run_started(), *called("origin")]))

    with pytest.raises(NonDeterminismError, match=r"'for': 'fork'"):
        past.settled(asked("fork"))


FAILED = AttemptFailed(at=AT, attempt=1, failure=Failure(code="user_error", message="no"), next_at=AT)


def test_a_further_attempt_of_a_fork_has_the_call_that_the_one_before_had() -> None:
    past = fork(*called("origin"), FAILED, component_kind="function")

    assert key_of(past, asked("fork"), "") == "task:pay#0"


def test_a_call_that_the_origin_did_anew_in_a_further_attempt_is_not_the_one_before() -> None:
    past = fork(*called("origin"), FAILED, *called("otherwise", "task:pay#0!2"), component_kind="function")

    assert key_of(past, asked("fork"), "") == "task:pay#0!2"
    assert past.settled(asked("fork", "task:pay#0!2")) is not None
