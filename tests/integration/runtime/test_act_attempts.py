"""A step or a model call is tried again by whoever holds its run then: no attempt and no wait is lost with a runner."""

import pytest

from towpath import Agent, Context, ModelReply, ModelRequest, RetryPolicy, script, workflow
from towpath.testing import fault
from towpath_schemas.journal import ActAttemptFailed, CallIntended, RunSuspended, StepSettled
from towpath_testkit.hosting import Platform

pytestmark = pytest.mark.live

EVERY_TWO_SECONDS = RetryPolicy(max_attempts=3, backoff="constant", initial_interval_s=2, jitter=0)


class Bank:
    """What is outside of the run: it refuses twice."""

    def __init__(self) -> None:
        self.asked = 0

        @workflow
        async def buy(ctx: Context) -> str:
            return await ctx.step("pay", self.pay, retry=EVERY_TWO_SECONDS)

    def pay(self) -> str:
        self.asked += 1
        if self.asked <= 2:
            raise ConnectionError("refused")
        return "paid"


async def test_runners_that_die_while_a_step_waits_give_it_no_more_attempts(towpath: Platform) -> None:
    bank = Bank()
    await towpath.router(lost_after_s=1.5)
    first = await towpath.agent_runner()
    run_id = await towpath.start("buy")
    await towpath.until(run_id, CallIntended)

    await first.crash()
    await towpath.agent_runner()
    finished = await towpath.finished(run_id)

    assert (finished.result, bank.asked) == ("paid", 3)
    journal = await towpath.journal(run_id)
    failed = [one for one in journal if isinstance(one, ActAttemptFailed)]
    assert [(one.key, one.attempt) for one in failed] == [("pay#0", 1), ("pay#0", 2)]
    assert [one.attempts for one in journal if isinstance(one, StepSettled)] == [3]


async def test_a_step_waits_for_its_next_attempt_while_every_service_is_down(towpath: Platform) -> None:
    bank = Bank()
    await towpath.all(suspend_after_s=0.5)
    run_id = await towpath.start("buy")
    await towpath.until(run_id, RunSuspended)
    await towpath.stop()
    assert bank.asked == 1

    await towpath.all()
    finished = await towpath.finished(run_id)

    assert (finished.result, bank.asked) == ("paid", 3)


async def test_a_provider_that_asks_for_time_holds_no_run_in_memory(towpath: Platform) -> None:
    asked: list[str] = []

    def answers(request: ModelRequest) -> ModelReply:
        asked.append(request.messages[-1].content)
        if len(asked) == 1:
            raise fault("model_throttled", retry_after_s=3)
        return ModelReply(text="hello")

    script("unsteady", answers)
    Agent("test/unsteady", name="greeter")
    await towpath.all(suspend_after_s=0.5)
    run_id = await towpath.start("greeter", "hi")

    await towpath.until(run_id, RunSuspended)
    finished = await towpath.finished(run_id)

    assert (finished.result["output"], len(asked)) == ("hello", 2)
