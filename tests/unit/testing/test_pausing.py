"""A paused run begins nothing: no act, no further attempt; unless it is to end, and cleans up."""

import pytest

from towpath import ComponentError, Context, RetryPolicy, function, workflow
from towpath.errors import ModelThrottledError
from towpath.models.port import ModelReply, ModelRequest
from towpath.testing import FunctionModel, VirtualPlatform, VirtualRun, crash_everywhere
from towpath_schemas.failure import Failure


async def test_a_paused_run_tries_nothing_again_until_it_is_told_to_go_on() -> None:
    tried: list[str] = []

    def fails(what: str) -> None:
        tried.append(what)
        raise ConnectionError("down")

    policy = RetryPolicy(max_attempts=3, initial_interval_s=10, backoff="constant", jitter=0)

    @workflow
    async def steps(ctx: Context) -> None:
        await ctx.step("call", fails, "step", retry=policy)

    @function(retries=policy)
    async def calls(ctx: Context) -> None:
        fails("function")

    for component, what in ((steps, "step"), (calls, "function")):
        tried.clear()
        async with VirtualPlatform() as platform:
            run = await platform.start(component)
            await run.pause()
            await platform.advance(days=1)

            assert (tried, run.status, run.in_memory) == ([what], "paused", False)
            await run.unpause()
            with pytest.raises(ComponentError, match="down"):
                await run.result()
            assert len(tried) > 1


async def test_a_model_is_not_asked_again_while_the_run_is_paused() -> None:
    asked: list[int] = []

    def answer(_request: ModelRequest) -> ModelReply:
        asked.append(1)
        if len(asked) == 1:
            raise ModelThrottledError(Failure(code="model_throttled", message="slowly", retryable=True))
        return ModelReply(text="hello")

    @workflow
    async def greets(ctx: Context) -> str:
        return (await ctx.llm.generate("hi", model=FunctionModel(answer))).text

    async with VirtualPlatform() as platform:
        run = await platform.start(greets)
        await run.pause()
        await platform.advance(days=1)

        assert (len(asked), run.status) == (1, "paused")
        await run.unpause()
        assert await run.result() == "hello"


async def test_a_paused_run_that_is_cancelled_cleans_up_and_ends() -> None:
    cleaned: list[str] = []

    @workflow
    async def waits(ctx: Context) -> None:
        try:
            await ctx.signal("never")
        finally:
            await ctx.step("clean", cleaned.append, "up")

    async def script(platform: VirtualPlatform, run: VirtualRun) -> None:
        await run.pause()
        await run.cancel("enough")
        if run.status not in {"cancelled", "failed"}:
            await run.pause()

    survived = await crash_everywhere(waits, script=script, before_each=cleaned.clear)

    assert survived.finished.end == "cancelled"
    assert set(cleaned) == {"up"}
