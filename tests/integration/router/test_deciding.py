"""An approval is decided once: by somebody with the right to it, about exactly what was shown, in time."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from towpath_chassis.jetstream import JetStream
from towpath_router.deciding import Decider
from towpath_router.requests import Asked, RefusedError, Request
from towpath_router.runs import Runs
from towpath_schemas import subjects
from towpath_schemas.approvals import ApprovalAsked, approval_id, content_sha256
from towpath_schemas.attribution import Attribution, AttributionClaim
from towpath_schemas.calls import Answered
from towpath_schemas.failure import Failure
from towpath_schemas.journal import CallIntended, CallSettled, RunFinished, StartRefused, read_record
from towpath_schemas.requests import DecisionRequested, RequestDone
from towpath_schemas.streams import INBOX, JOURNAL
from towpath_testkit.asking import Word, ask, code_of
from towpath_testkit.builders import TENANT
from towpath_testkit.hosting import Platform
from towpath_testkit.journals import AT, run_started, write_claim, write_entry, write_journal
from towpath_testkit.settled import messages_in, until

pytestmark = pytest.mark.live

PAYLOAD = {"sum": 7, "to": "Ada"}
KEY = "approval:refund#0"
APPROVAL = approval_id("run-1", 2)
GRACE = AttributionClaim(user_id="grace", user_role="manager")


async def asked_for(
    js: JetStream, *, expires_at: float | None = None, roles: tuple[str, ...] = (), tenant: str = TENANT
) -> None:
    """Write the journal of a run that waits for an approval."""
    shown = ApprovalAsked(payload=PAYLOAD, roles=roles, content_sha256=content_sha256(PAYLOAD))
    intent = CallIntended(
        at=AT, key=KEY, act="approval", target="refund", input=shown.model_dump(mode="json"), until=expires_at
    )
    other = CallIntended(at=AT, key="tool:a#0", act="tool", target="a")
    await write_journal(js, "run-1", [run_started(tenant=tenant), other, intent])
    await write_claim(js, "run-1")


async def decide(js: JetStream, approval: str = APPROVAL, **said: Any) -> Word:
    request = {"decision": "approved", "attribution": GRACE, **said}
    return await ask(js, "decide", approval, DecisionRequested.model_validate(request))


async def answers(js: JetStream) -> list[Answered]:
    found = await js.following(INBOX, subjects.inbox_of("run-1"), start=1)
    return [Answered.from_body(one.body) for one in found]


@pytest.mark.parametrize("decision", ["approved", "rejected"])
async def test_a_decision_reaches_the_run_with_who_made_it_and_when(towpath: Platform, decision: str) -> None:
    await asked_for(towpath.js)
    before = time.time()

    word = await decide(towpath.js, decision=decision, comment="fine")

    assert isinstance(word, RequestDone)
    assert word.targets == ("run-1",)
    (answer,) = await answers(towpath.js)
    assert (answer.key, answer.failure) == (KEY, None)
    at = datetime.fromisoformat(answer.result.pop("at"))
    assert before - 1 < at.timestamp() < time.time() + 1
    assert answer.result == {"decision": decision, "approver": "grace", "comment": "fine"}


@pytest.mark.parametrize(
    ("role", "code"), [("manager", None), ("clerk", "forbidden"), (None, "forbidden")], ids=str
)
async def test_only_somebody_with_one_of_the_roles_decides(
    towpath: Platform, role: str | None, code: str | None
) -> None:
    await asked_for(towpath.js, roles=("owner", "manager"))

    word = await decide(towpath.js, attribution=AttributionClaim(user_id="grace", user_role=role))

    assert code_of(word) == code
    assert await messages_in(towpath.js, INBOX) == (0 if code else 1)


async def test_a_wrong_role_is_journaled_with_whose_it_is(towpath: Platform) -> None:
    await asked_for(towpath.js, roles=("owner",))

    await decide(towpath.js)

    entries = await towpath.js.newest_of_each(JOURNAL, subjects.EVERY_JOURNAL_ENTRY)
    refusals = [read_record(one.body) for one in entries]
    assert [
        (one.failure.code, one.attribution.user_id, one.attribution.user_role)
        for one in refusals
        if isinstance(one, StartRefused)
    ] == [("forbidden", "grace", "manager")]


async def test_a_decision_holds_for_what_was_shown_and_nothing_else(towpath: Platform) -> None:
    await asked_for(towpath.js)

    other = await decide(towpath.js, content_sha256=content_sha256({**PAYLOAD, "sum": 8}))
    same = await decide(towpath.js, content_sha256=content_sha256(dict(reversed(PAYLOAD.items()))))

    assert (code_of(other), code_of(same)) == ("stale_approval", None)


@pytest.mark.parametrize(("left_s", "code"), [(-1, "stale_approval"), (3600, None)], ids=["late", "in-time"])
async def test_an_approval_is_decided_in_time_or_not_at_all(
    towpath: Platform, left_s: int, code: str | None
) -> None:
    await asked_for(towpath.js, expires_at=time.time() + left_s)

    assert code_of(await decide(towpath.js)) == code


async def test_of_many_decisions_at_once_one_counts_and_only_that_one_is_told_so(towpath: Platform) -> None:
    await towpath.router()
    await asked_for(towpath.js)
    by = [AttributionClaim(user_id=f"u-{number}") for number in range(12)]

    words = await asyncio.gather(*(decide(towpath.js, attribution=one) for one in by))

    (answer,) = await answers(towpath.js)
    done = [one.user_id for one, word in zip(by, words, strict=True) if code_of(word) is None]
    assert done == [answer.result["approver"]]
    assert {code_of(word) for word in words} == {None, "stale_approval"}


def settled_with(**outcome: Any) -> CallSettled:
    return CallSettled(at=AT, key=KEY, act="approval", target="refund", **outcome)


TIMEOUT = Failure(code="timeout", message="nobody decided in time")


@pytest.mark.parametrize(
    "record",
    [
        settled_with(result={"decision": "rejected", "approver": "u-1"}),
        settled_with(failure=TIMEOUT),
        RunFinished(at=AT, end="completed"),
    ],
    ids=["decided", "expired", "ended"],
)
async def test_what_the_journal_says_is_over_is_not_decided_again(
    towpath: Platform, record: CallSettled | RunFinished
) -> None:
    await asked_for(towpath.js)
    await write_entry(towpath.js, "run-1", 3, record)

    assert code_of(await decide(towpath.js)) == "stale_approval"
    assert await messages_in(towpath.js, INBOX) == 0


@pytest.mark.parametrize(
    "approval",
    [
        approval_id("run-1", 0),
        approval_id("run-1", 1),
        approval_id("run-1", 9),
        approval_id("run-1", 10**20),
        approval_id("*", 2),
        approval_id("", 2),
        "run",
        "run-1-x",
        "run-1-\u00b2",
    ],
    ids=ascii,
)
async def test_what_is_no_approval_cannot_be_decided(towpath: Platform, approval: str) -> None:
    await asked_for(towpath.js)

    assert code_of(await decide(towpath.js, approval)) == "unknown_run"


@pytest.mark.parametrize("tenant", [TENANT, "other"])
async def test_an_approval_of_another_tenant_cannot_be_decided(towpath: Platform, tenant: str) -> None:
    await asked_for(towpath.js, tenant="other")

    asked = DecisionRequested(decision="approved", attribution=GRACE)
    word = await ask(towpath.js, "decide", APPROVAL, asked, tenant=tenant)

    assert code_of(word) == (None if tenant == "other" else "unknown_run")
    assert len(await answers(towpath.js)) == (1 if tenant == "other" else 0)


def read(user_id: str, at: float) -> Asked[DecisionRequested]:
    """Read a request as the door does; the same `at` is the same message, delivered again."""
    subject = subjects.request(TENANT, "decide", APPROVAL)
    said = DecisionRequested(decision="approved")
    received_at = datetime.fromtimestamp(at, UTC)
    request = Request.received(subject, {"ce-id": f"{user_id}:{at}"}, b"", sequence=1, at=received_at)
    by = Attribution(tenant=TENANT, user_id=user_id)
    return Asked(request, subjects.read_request(subject), said, by, None)


async def test_a_decision_that_is_delivered_again_is_the_same_wherever_the_run_has_it(
    towpath: Platform,
) -> None:
    js = towpath.js
    await asked_for(js)
    decider, ours, theirs = Decider(js, Runs(js)), read("grace", AT), read("ada", AT + 1)
    await decider.decide(ours)
    (answer,) = await answers(js)

    await decider.decide(ours)
    await write_entry(js, "run-1", 3, settled_with(result=answer.result))
    await js.purge(INBOX, subjects.inbox_of("run-1"))

    assert (await decider.decide(ours)).targets == ("run-1",)
    with pytest.raises(RefusedError, match="decided already"):
        await decider.decide(theirs)


class Slow(Decider):
    """Goes on with a decision when it is told to, after it saw that there was none."""

    def __init__(self, js: JetStream) -> None:
        super().__init__(js, Runs(js))
        self.saw, self.goes_on = asyncio.Event(), asyncio.Event()

    async def _decided(self, answer: Answered) -> Any:
        decided = await super()._decided(answer)
        self.saw.set()
        await self.goes_on.wait()
        return decided


async def test_a_decision_that_was_under_way_for_long_is_still_no_second_one(towpath: Platform) -> None:
    """So long that the broker has forgotten the first one's message id."""
    js = towpath.js
    config = (await js.api(f"STREAM.INFO.{INBOX.name}"))["config"]
    await js.api(f"STREAM.UPDATE.{INBOX.name}", {**config, "duplicate_window": 100_000_000})
    await asked_for(js)
    slow = Slow(js)
    second = asyncio.create_task(slow.decide(read("ada", AT + 1)))
    await slow.saw.wait()
    await Decider(js, Runs(js)).decide(read("grace", AT))

    async def remembered() -> bool:
        place = subjects.inbox("run-2", "result", "probe")
        return (await js.publish(place, b"", message_id="probe")).duplicate

    await remembered()
    await until(remembered, lambda duplicate: not duplicate)
    slow.goes_on.set()

    with pytest.raises(RefusedError, match="decided already"):
        await second
    assert [one.result["approver"] for one in await answers(js)] == ["grace"]
