"""Which calls that need a person's yes have one, by the journal of their run."""

from typing import Any, Literal

import pytest

from towpath.engine.confirmed_calls import is_confirmed
from towpath.tools.confirmation import call_sha256
from towpath_schemas.approvals import ApprovalAsked
from towpath_schemas.attribution import Attribution
from towpath_schemas.calls import CallRequested
from towpath_schemas.journal import CallIntended, CallSettled, JournalRecord, StepSettled

ARGUMENTS = {"name": "test"}
DIGEST = call_sha256("erase", ARGUMENTS)


def asked(key: str = "approval#0", digest: str = DIGEST) -> CallIntended:
    shown = ApprovalAsked(content_sha256=digest).model_dump(mode="json")
    return CallIntended(at=0, key=key, act="approval", target="tool:erase", input=shown)


def decided(decision: str = "approved", key: str = "approval#0") -> CallSettled:
    return CallSettled(at=0, key=key, act="approval", target="tool:erase", result={"decision": decision})


def handled(decision: str = "approved", key: str = "agent#0/confirm:erase#0") -> StepSettled:
    return StepSettled(at=0, key=key, result={"content_sha256": DIGEST, "decision": decision})


def intended(key: str, arguments: Any = ARGUMENTS) -> CallIntended:
    return CallIntended(at=0, key=key, act="tool", target="erase", input=arguments)


def call(key: str, arguments: Any = ARGUMENTS, act: Literal["tool", "task"] = "tool") -> CallRequested:
    return CallRequested(
        run_id="run-1",
        key=key,
        call_id="c",
        service="s",
        name="erase",
        act=act,
        arguments=arguments,
        attribution=Attribution(tenant="acme"),
        correlation_id="c",
    )


YES = [asked(), decided()]


@pytest.mark.parametrize(
    "journal",
    [
        [*YES, intended("a")],
        [handled(), intended("a")],
        [intended("a", {"name": "live"}), *YES, intended("a")],
        [*YES, intended("b"), asked("approval#1"), decided(key="approval#1"), intended("a")],
        [intended("b"), *YES, intended("a")],
    ],
    ids=["approval", "handler", "other arguments before", "two and two", "one that was refused before"],
)
def test_a_yes_before_the_intent_confirms_the_call(journal: list[JournalRecord]) -> None:
    assert is_confirmed(journal, call("a"))


@pytest.mark.parametrize(
    "journal",
    [
        [],
        YES,
        [intended("a")],
        [intended("a"), *YES],
        [asked(), intended("a")],
        [asked(), decided("rejected"), intended("a")],
        [asked(), decided("expired"), intended("a")],
        [asked(digest="0" * 64), decided(), intended("a")],
        [decided(), intended("a")],
        [handled("rejected"), intended("a")],
        [handled(key="agent#0/something#0"), intended("a")],
        [*YES, intended("b"), intended("a")],
        [*YES, intended("a", {"name": "live"})],
    ],
    ids=[
        "empty",
        "no intent",
        "no yes",
        "yes after the intent",
        "undecided",
        "rejected",
        "expired",
        "about something else",
        "never asked",
        "a handler's no",
        "another step",
        "used by another call",
        "other arguments",
    ],
)
def test_without_a_yes_of_its_own_a_call_is_not_confirmed(journal: list[JournalRecord]) -> None:
    assert not is_confirmed(journal, call("a"))


def test_a_call_of_another_kind_is_not_confirmed_by_the_intent_of_a_tool() -> None:
    assert not is_confirmed([*YES, intended("a")], call("a", act="task"))
