"""A function that is a run of its own is tried again by whoever holds it then, and leaves a dead letter where it failed."""

import asyncio
import time
from typing import Any

import orjson
import pytest

from towpath import Client, Context, RetryPolicy, function, workflow
from towpath_chassis.jetstream import JetStream
from towpath_schemas import identity, subjects
from towpath_schemas.attribution import AttributionClaim
from towpath_schemas.audit import AuditEvent
from towpath_schemas.journal import AttemptFailed, CallIntended, RunFinished, RunResumed, RunSuspended
from towpath_schemas.streams import AUDIT
from towpath_testkit.builders import TENANT
from towpath_testkit.dead_letters import all_letters
from towpath_testkit.hosting import Platform
from towpath_testkit.settled import until

pytestmark = pytest.mark.live

EVERY_TWO_SECONDS = RetryPolicy(max_attempts=3, backoff="constant", initial_interval_s=2, jitter=0)
AT_ONCE = RetryPolicy(max_attempts=2, backoff="constant", initial_interval_s=0)


class Shop:
    """A function that fails at first, and what was done in each of its attempts."""

    def __init__(self, policy: RetryPolicy, *, fails: int) -> None:
        self.attempts: list[int] = []
        self.sold: list[str] = []
        self.fails = fails

        @function(retries=policy)
        async def order(ctx: Context, what: str) -> list[Any]:
            sold = await ctx.step("sell", self.sell, what)
            self.attempts.append(ctx.attempt)
            if ctx.attempt <= self.fails:
                raise ConnectionError(f"no {what} in attempt {ctx.attempt}")
            return [sold, ctx.attempt, ctx.headers().get("x-caller"), ctx.attribution.user_id]

    def sell(self, what: str) -> str:
        self.sold.append(what)
        return what


async def told(js: JetStream, run_id: str, action: str, count: int = 1) -> list[AuditEvent]:
    """Wait until so many events of a run with this action are in the audit stream."""
    pattern = subjects.audit(TENANT, None, "run", action)

    async def read() -> list[AuditEvent]:
        stored = await js.following(AUDIT, pattern, start=1)
        events = [AuditEvent.from_body(one.body) for one in stored]
        return [one for one in events if one.run_id == run_id]

    return await until(read, lambda found: len(found) >= count)


async def test_a_runner_that_dies_between_two_attempts_begins_none_anew(towpath: Platform) -> None:
    shop = Shop(EVERY_TWO_SECONDS, fails=2)
    await towpath.router(lost_after_s=1.5)
    first = await towpath.agent_runner()
    run_id = await towpath.start("order", {"what": "kite"})
    await towpath.until(run_id, CallIntended)

    await first.crash()
    await towpath.agent_runner()
    finished = await towpath.finished(run_id)

    assert (finished.result[:2], finished.attempts) == (["kite", 3], 3)
    assert (shop.attempts, shop.sold) == ([1, 2, 3], ["kite"])
    journal = await towpath.journal(run_id)
    failed = [one for one in journal if isinstance(one, AttemptFailed)]
    assert [(one.attempt, one.failure.message) for one in failed] == [
        (1, "no kite in attempt 1"),
        (2, "no kite in attempt 2"),
    ]
    assert [one.epoch for one in journal if isinstance(one, RunResumed)] == [2]


async def test_an_interval_passes_while_every_service_is_down(towpath: Platform) -> None:
    shop = Shop(EVERY_TWO_SECONDS, fails=1)
    await towpath.all(suspend_after_s=0.5)
    run_id = await towpath.start("order", {"what": "kite"})
    await towpath.until(run_id, RunSuspended)
    await towpath.stop()
    assert shop.attempts == [1]

    await towpath.all()
    finished = await towpath.finished(run_id)

    assert (finished.result[:2], shop.attempts, shop.sold) == (["kite", 2], [1, 2], ["kite"])


async def test_the_time_of_a_function_begins_when_it_is_taken_and_a_crash_gives_it_no_more(
    towpath: Platform,
) -> None:
    taken: list[float] = []

    @function(timeout_ms=1_000, retries=1)
    async def quick(ctx: Context, *, waits: bool) -> str:
        taken.append(time.monotonic())
        if waits:
            await ctx.signal("never")
        return "in time"

    await towpath.router(lost_after_s=1.5)
    first = await towpath.agent_runner()
    async with Client.over(towpath.js) as client:
        late = await client.start("quick", {"waits": False}, tenant=TENANT, delay_s=2)
        assert (await client.ended(late, 20)).result == "in time"

        run_id = await client.start("quick", {"waits": True}, tenant=TENANT)
        await towpath.until(run_id, CallIntended)
        await first.crash()
        await towpath.agent_runner()
        ended = await client.ended(run_id, 20)

    assert ended.failure is not None
    assert ended.failure.code == "timeout"
    assert time.monotonic() - taken[-1] < 1, "it was not given its whole time again"


async def test_a_function_that_failed_for_good_leaves_a_letter_which_starts_it_anew_for_the_same(
    towpath: Platform,
) -> None:
    shop = Shop(AT_ONCE, fails=9)
    await towpath.all()
    async with Client.over(towpath.js) as client:
        run_id = await client.start(
            "order",
            {"what": "kite"},
            tenant=TENANT,
            idempotency_key="order-1",
            headers={"x-caller": "ada's shop"},
            attribution=AttributionClaim(user_id="ada"),
        )
        ended = await client.ended(run_id, 20)
        assert (ended.status, ended.attempts) == ("failed", 2)
        assert ended.letter is not None
        view = await client.dead.letter(ended.letter)

        letter = view.letter
        assert (letter.run_id, letter.stream, letter.attempts) == (run_id, "REQUESTS", 2)
        assert letter.reason == "no kite in attempt 2"
        assert letter.subject == subjects.request(TENANT, "start", "order")
        assert orjson.loads(letter.body)["input"] == {"what": "kite"}
        assert (letter.attribution and letter.attribution.user_id, view.redriven_at) == ("ada", None)

        shop.fails = 0
        assert await client.dead.redrive(ended.letter)
        again = identity.run_id(TENANT, "order", f"redrive:{letter.letter_id}")
        finished = await towpath.finished(again)
        assert not await client.dead.redrive(ended.letter)
        assert (await client.dead.letter(ended.letter)).redriven_at is not None

    assert finished.result == ["kite", 1, "ada's shop", "ada"]
    assert len(await all_letters(towpath.js)) == 1


async def test_a_letter_about_a_large_input_starts_the_function_with_all_of_it(towpath: Platform) -> None:
    shop, much = Shop(AT_ONCE, fails=9), "x" * 700_000
    await towpath.all()
    async with Client.over(towpath.js) as client:
        run_id = await client.start("order", {"what": much}, tenant=TENANT)
        ended = await client.ended(run_id, 20)
        assert ended.letter is not None

        shop.fails = 0
        await client.dead.redrive(ended.letter)
        letter_id = identity.letter_of_run_id(run_id)
        finished = await towpath.finished(identity.run_id(TENANT, "order", f"redrive:{letter_id}"))

    assert finished.result[0] == much


async def test_a_letter_is_kept_by_whoever_finds_the_end_of_the_run_if_the_runner_died_before_that(
    towpath: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    Shop(AT_ONCE, fails=9)
    reached, conclude = asyncio.Event(), "towpath.runtime.run_host.conclude"

    async def never(*_said: Any, **_more: Any) -> None:
        reached.set()
        await asyncio.Event().wait()

    await towpath.router(lost_after_s=1.5)
    first = await towpath.agent_runner()
    with monkeypatch.context() as patched:
        patched.setattr(conclude, never)
        run_id = await towpath.start("order", {"what": "kite"})
        await reached.wait()
        await first.crash()
    assert await all_letters(towpath.js) == []

    await towpath.agent_runner()

    (letter,) = await until(lambda: all_letters(towpath.js), bool)
    assert letter.letter.run_id == run_id


async def test_a_child_that_failed_for_good_leaves_a_letter_and_its_workflow_does_not(
    towpath: Platform,
) -> None:
    Shop(AT_ONCE, fails=9)

    @workflow
    async def buys(ctx: Context) -> None:
        await ctx.spawn("order", "kite").result()

    await towpath.all()

    finished = await towpath.run("buys")

    assert (finished.end, finished.attempts) == ("failed", None)
    (letter,) = await until(lambda: all_letters(towpath.js), bool)
    assert letter.letter.subject == subjects.request(TENANT, "start", "order")


async def test_a_function_that_was_cancelled_leaves_no_letter(towpath: Platform) -> None:
    @function
    async def patient(ctx: Context) -> None:
        await ctx.signal("never")

    await towpath.all()
    async with Client.over(towpath.js) as client:
        run_id = await towpath.start("patient")
        await towpath.until(run_id, CallIntended)
        await client.cancel(run_id, "enough")
        ended = await client.ended(run_id, 20)

    assert (ended.status, ended.letter) == ("cancelled", None)
    assert await all_letters(towpath.js) == []


async def test_the_audit_trail_tells_attempts_intervals_and_the_letter(towpath: Platform) -> None:
    Shop(RetryPolicy(max_attempts=3, backoff="constant", initial_interval_s=0.5, jitter=0), fails=9)
    await asyncio.gather(towpath.all(), towpath.audit_sink())
    run_id = await towpath.start("order", {"what": "kite"})
    journal = await towpath.until(run_id, RunFinished)
    (letter,) = await until(lambda: all_letters(towpath.js), bool)

    failed = await told(towpath.js, run_id, "attempt_failed", 2)
    (ended,) = await told(towpath.js, run_id, "failed")

    said = [(one.attempts, one.outcome, one.failure and one.failure.message) for one in failed]
    assert said == [(1, "error", "no kite in attempt 1"), (2, "error", "no kite in attempt 2")]
    assert [one.next_at for one in failed] == [
        one.next_at for one in journal if isinstance(one, AttemptFailed)
    ]
    assert (ended.attempts, ended.letter_id) == (3, letter.letter.letter_id)
