"""The attempts of steps and model calls: counted over crashes, with durable waits, visible in the journal."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from towpath import Agent, Context, ModelRequest, RetryPolicy, function, script, workflow
from towpath.testing import VirtualPlatform, VirtualRun, check_replay, crash_everywhere, fault, virtual_time
from towpath.testing.crashing import Kill
from towpath_schemas.journal import (
    ActAttemptFailed,
    CallIntended,
    CallSettled,
    JournalRecord,
    RunSuspended,
    StepSettled,
)

HOURLY = RetryPolicy(
    max_attempts=3, backoff="constant", initial_interval_s=3_600, max_interval_s=3_600, jitter=0
)


class Bank:
    """What is outside of the run: it refuses as often as it is told."""

    def __init__(self, refuses: int = 2) -> None:
        self._refuses = refuses
        self.reset()

    def reset(self) -> None:
        self.refuses = self._refuses
        self.asked = 0

    def pay(self) -> str:
        self.asked += 1
        if self.refuses:
            self.refuses -= 1
            raise ConnectionError("refused")
        return "paid"


@pytest.fixture
def bank() -> Bank:
    return Bank()


def reset(*banks: Bank) -> Callable[[], None]:
    """Make a function that has banks be as they were."""

    def reset_all() -> None:
        for bank in banks:
            bank.reset()

    return reset_all


def paying(bank: Bank, policy: RetryPolicy = HOURLY) -> Any:
    @workflow
    async def pays(ctx: Context) -> str:
        return await ctx.step("pay", bank.pay, retry=policy)

    return pays


def greeter(asked: list[str]) -> Agent:
    """Make an agent whose provider has no time the first time that it is asked."""

    def answers(request: ModelRequest) -> Any:
        asked.append(request.messages[-1].content)
        return fault("model_throttled", retry_after_s=3_600) if len(asked) == 1 else "hello"

    script("unsteady", answers)
    return Agent("test/unsteady", name="greeter")


def failed_attempts(journal: list[JournalRecord]) -> list[ActAttemptFailed]:
    return [one for one in journal if isinstance(one, ActAttemptFailed)]


# --- What the journal says -----------------------------------------------------------------------------------


@virtual_time
async def test_each_attempt_of_a_step_that_failed_is_in_the_journal_with_the_reason_and_when_the_next_begins(
    bank: Bank,
) -> None:
    async with VirtualPlatform() as platform:
        began = platform.now.timestamp()
        run = await platform.start(paying(bank))
        assert await run.result() == "paid"

    failed = failed_attempts(run.journal)
    assert [(one.key, one.act, one.attempt, one.failure.message) for one in failed] == [
        ("pay#0", "step", 1, "refused"),
        ("pay#0", "step", 2, "refused"),
    ]
    assert [one.next_at - began for one in failed] == pytest.approx([3_600, 7_200])
    (settled,) = (one for one in run.journal if isinstance(one, StepSettled))
    assert (settled.attempts, bank.asked) == (3, 3)


async def test_a_step_that_succeeds_at_once_writes_nothing_but_its_end() -> None:
    async with VirtualPlatform() as platform:
        run = await platform.start(paying(Bank(refuses=0)))
        await run.result()

    assert [one.kind for one in run.journal] == ["run.started", "step.settled", "run.finished"]


@virtual_time
async def test_a_provider_that_asks_for_an_hour_is_asked_again_after_an_hour() -> None:
    asked: list[str] = []
    agent = greeter(asked)

    async with VirtualPlatform() as platform:
        began = platform.now
        run = await platform.start(agent, "hi")
        await platform.advance(minutes=1)
        assert (run.in_memory, run.status, run.waits_for) == (
            False,
            "suspended",
            ["model 'test/unsteady'", "timer 'retry'"],
        )

        assert (await run.result())["output"] == "hello"
        assert (platform.now - began).total_seconds() == pytest.approx(3_600)

    (failed,) = failed_attempts(run.journal)
    assert (failed.act, failed.target, failed.agent) == ("model", "test/unsteady", "greeter")
    (settled,) = (one for one in run.journal if isinstance(one, CallSettled) and one.act == "model")
    assert (settled.attempts, len(asked)) == (2, 2)


# --- The wait --------------------------------------------------------------------------------------------------


@virtual_time
async def test_a_run_whose_step_waits_for_its_next_attempt_is_not_held_in_memory(bank: Bank) -> None:
    async with VirtualPlatform() as platform:
        run = await platform.start(paying(bank))
        await platform.advance(minutes=1)

        assert (run.in_memory, run.status) == (False, "suspended")
        assert [one.waiting_for for one in run.journal if isinstance(one, RunSuspended)] == [
            ("pay#0/attempt@2",)
        ]


@virtual_time
async def test_other_branches_go_on_while_a_step_waits(bank: Bank) -> None:
    @workflow
    async def branches(ctx: Context) -> list[Any]:
        return await ctx.parallel(ctx.step("pay", bank.pay, retry=HOURLY), naps(ctx))

    async def naps(ctx: Context) -> int:
        for _ in range(5):
            await ctx.sleep(600)
        return await ctx.step("count", lambda: 5)

    survived = await crash_everywhere(branches, before_each=bank.reset)

    assert survived.finished.result == ["paid", 5]


@virtual_time
async def test_steps_that_fail_beside_each_other_are_tried_each_in_its_own_time() -> None:
    banks = [Bank(refuses=1), Bank(refuses=2)]

    @workflow
    async def both(ctx: Context) -> list[str]:
        return await ctx.parallel(*(ctx.step("pay", bank.pay, retry=HOURLY) for bank in banks))

    survived = await crash_everywhere(both, before_each=reset(*banks))

    assert survived.finished.result == ["paid", "paid"]


@virtual_time
async def test_a_paused_run_does_not_try_again(bank: Bank) -> None:
    async with VirtualPlatform() as platform:
        run = await platform.start(paying(bank))
        await run.pause("let us see")
        await platform.advance(days=1)
        assert bank.asked == 1

        await run.unpause()
        assert await run.result() == "paid"


@virtual_time
async def test_a_run_that_is_cancelled_between_two_attempts_of_a_step_ends(bank: Bank) -> None:
    async def cancel(platform: VirtualPlatform, run: VirtualRun) -> None:
        await platform.advance(minutes=1)
        await run.cancel("enough")

    survived = await crash_everywhere(paying(bank), script=cancel, before_each=bank.reset)

    assert survived.finished.end == "cancelled"


# --- Crashes ------------------------------------------------------------------------------------------------------


@virtual_time
async def test_a_crash_gives_a_step_no_more_attempts() -> None:
    bank = Bank(refuses=9)

    def counted(_run: VirtualRun) -> None:
        assert bank.asked <= 4  # the attempt in which its process died may be made once more

    survived = await crash_everywhere(paying(bank), before_each=bank.reset, after_each=counted)

    assert survived.finished.end == "failed"


@virtual_time
async def test_the_rest_of_the_wait_is_waited_for_after_a_crash(bank: Bank) -> None:
    async with VirtualPlatform(disturbance=Kill("after write", 1)) as platform:
        began = platform.now
        run = await platform.start(paying(bank))
        assert await run.result() == "paid"

        assert isinstance(run.journal[1], ActAttemptFailed)
        assert (platform.now - began).total_seconds() == pytest.approx(7_200)
        assert bank.asked == 3


@virtual_time
async def test_a_model_is_not_asked_more_often_because_of_a_crash() -> None:
    asked: list[str] = []

    def counted(_run: VirtualRun) -> None:
        assert len(asked) <= 3

    survived = await crash_everywhere(greeter(asked), "hi", before_each=asked.clear, after_each=counted)

    assert survived.finished.result["output"] == "hello"


@virtual_time
async def test_a_step_inside_of_a_step_is_tried_in_its_own_attempts(bank: Bank) -> None:
    fails = Bank(refuses=1)

    @workflow
    async def nested(ctx: Context) -> str:
        async def outer() -> str:
            paid = await ctx.step("pay", bank.pay, retry=HOURLY)
            fails.pay()
            return paid

        return await ctx.step("outer", outer, retry=HOURLY)

    survived = await crash_everywhere(nested, before_each=reset(bank, fails))

    assert survived.finished.result == "paid"


@virtual_time
async def test_a_function_that_fails_beside_a_step_that_waits_has_the_next_attempt_go_on_with_it() -> None:
    bank, fails = Bank(refuses=2), Bank(refuses=1)

    @function(retries=HOURLY)
    async def buys(ctx: Context) -> str:
        async def soon() -> None:
            await ctx.sleep(60)
            fails.pay()

        return (await ctx.parallel(ctx.step("pay", bank.pay, retry=HOURLY), soon()))[0]

    survived = await crash_everywhere(buys, before_each=reset(bank, fails))

    assert survived.finished.result == "paid"


# --- Giving up -------------------------------------------------------------------------------------------------


@virtual_time
async def test_code_may_give_up_a_step_that_waits_for_its_next_attempt(bank: Bank) -> None:
    @workflow
    async def impatient(ctx: Context) -> list[Any]:
        step = asyncio.ensure_future(ctx.step("pay", bank.pay, retry=HOURLY))
        await ctx.sleep(60)
        step.cancel()
        await asyncio.wait([step])
        await ctx.sleep(86_400)
        return [step.cancelled(), await ctx.step("say", lambda: "gave up")]

    survived = await crash_everywhere(impatient, before_each=bank.reset)

    assert survived.finished.result == [True, "gave up"]


@virtual_time
async def test_a_time_limit_of_the_code_ends_a_step_that_waits_for_its_next_attempt(bank: Bank) -> None:
    @workflow
    async def limited(ctx: Context) -> str:
        try:
            async with asyncio.timeout(60):
                return await ctx.step("pay", bank.pay, retry=HOURLY)
        except TimeoutError:
            return await ctx.step("say", lambda: "too late")

    survived = await crash_everywhere(limited, before_each=bank.reset)

    assert survived.finished.result == "too late"


# --- Replays that only check ------------------------------------------------------------------------------------


@virtual_time
async def test_a_journal_with_failed_attempts_is_replayed_by_a_check(bank: Bank) -> None:
    pays = paying(bank)
    async with VirtualPlatform() as platform:
        run = await platform.start(pays)
        await platform.advance(minutes=1)
        waiting = run.journal
        await run.ended()

    assert check_replay(pays, waiting).ended is None
    assert check_replay(pays, run.journal).ended is not None
    assert bank.asked == 3
    assert [one.target for one in run.journal if isinstance(one, CallIntended)] == ["retry", "retry"]
