"""What an attempt has done is not done again by the next one, on the platform and in a script."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from towpath import Agent, Context, RetryPolicy, function, local, script, tool, tool_call, workflow
from towpath.testing import VirtualPlatform, crash_everywhere, virtual_time

AT_ONCE = RetryPolicy(max_attempts=3, initial_interval_s=0)
Runs = Callable[[Any], Awaitable[Any]]


async def on_platform(component: Any) -> Any:
    async with VirtualPlatform() as platform:
        return await platform.run(component)


EVERYWHERE = pytest.mark.parametrize("runs", [on_platform, local.run], ids=["platform", "script"])


class World:
    """What is done outside, which fails as often as it is told."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.failures = 1

    def do(self, what: str) -> str:
        self.done.append(what)
        return what

    def fail(self) -> None:
        """Fail, until it has failed often enough."""
        if self.failures:
            self.failures -= 1
            raise ConnectionError("the network is away")

    def reset(self) -> None:
        self.__init__()


@pytest.fixture
def world() -> World:
    return World()


# --- Attempts of a step -----------------------------------------------------------------------------------------


def shop(world: World) -> Any:
    @workflow
    async def shops(ctx: Context) -> list[Any]:
        async def outer() -> list[str]:
            paid = [await ctx.step("charge", world.do, "kite"), await ctx.step("charge", world.do, "string")]
            world.fail()
            return [*paid, await ctx.step("charge", world.do, "tail")]

        return [await ctx.step("outer", outer, retry=AT_ONCE), await ctx.step("charge", world.do, "tip")]

    return shops


@EVERYWHERE
async def test_steps_inside_of_a_step_are_done_once_however_often_it_is_tried(
    runs: Runs, world: World
) -> None:
    assert await runs(shop(world)) == [["kite", "string", "tail"], "tip"]

    assert world.done == ["kite", "string", "tail", "tip"]


async def test_a_crash_at_any_moment_does_not_change_that(world: World) -> None:
    survived = await crash_everywhere(shop(world), before_each=world.reset)

    assert survived.finished.result == [["kite", "string", "tail"], "tip"]


async def test_a_wait_that_an_attempt_has_given_up_is_waited_for_anew(world: World) -> None:
    @workflow
    async def waits(ctx: Context) -> Any:
        async def outer() -> Any:
            async def fails() -> None:
                world.fail()

            paid, _ = await ctx.gather(ctx.signal("paid"), fails())
            return paid

        return await ctx.step("outer", outer, retry=AT_ONCE)

    async with VirtualPlatform() as platform:
        run = await platform.start(waits)
        await platform.advance(seconds=60)
        await run.signal("paid", 5)

        assert await run.result() == 5


@virtual_time
async def test_an_attempt_ends_what_the_one_before_has_left_behind(world: World) -> None:
    async def slow(what: str) -> str:
        await asyncio.sleep(5)
        return world.do(what)

    @workflow
    async def leaves(ctx: Context) -> Any:
        async def fails() -> None:
            await asyncio.sleep(1)
            world.fail()

        async def outer() -> Any:
            return (await asyncio.gather(ctx.step("slow", slow, "kite"), fails()))[0]

        return await ctx.step("outer", outer, retry=AT_ONCE)

    async with VirtualPlatform() as platform:
        assert await platform.run(leaves) == "kite"

    assert world.done == ["kite"]


async def test_an_attempt_that_calls_with_other_arguments_makes_another_call(world: World) -> None:
    @function
    async def charge(amount: int) -> int:
        world.do(str(amount))
        return amount

    @workflow
    async def charges(ctx: Context) -> Any:
        async def outer() -> list[int]:
            amounts = [await ctx.task(charge, input=5), await ctx.task(charge, input=6 + world.failures)]
            world.fail()
            return amounts

        return await ctx.step("outer", outer, retry=AT_ONCE)

    async with VirtualPlatform() as platform:
        assert await platform.run(charges) == [5, 6]

    assert world.done == ["5", "7", "6"]


# --- Attempts of a function ---------------------------------------------------------------------------------------


def calls(work: Callable[[Context], Awaitable[Any]], world: World) -> Any:
    @function(retries=AT_ONCE)
    async def works(ctx: Context) -> Any:
        result = await work(ctx)
        world.fail()
        return result

    @workflow
    async def calling(ctx: Context) -> Any:
        return await ctx.task(works)

    return calling


@EVERYWHERE
async def test_a_step_of_a_called_function_is_done_once_however_often_the_function_is_tried(
    runs: Runs, world: World
) -> None:
    world.failures = 2

    assert await runs(calls(lambda ctx: ctx.step("charge", world.do, "kite"), world)) == "kite"

    assert world.done == ["kite"]


@EVERYWHERE
async def test_what_code_does_with_a_result_does_not_change_what_the_next_attempt_is_told(
    runs: Runs, world: World
) -> None:
    async def work(ctx: Context) -> list[str]:
        bought = await ctx.step("list", lambda: ["kite"])
        bought.append("string")
        return bought

    assert await runs(calls(work, world)) == ["kite", "string"]


@EVERYWHERE
async def test_a_model_is_asked_and_a_tool_is_used_once_however_often_the_function_is_tried(
    runs: Runs, world: World
) -> None:
    @tool
    def buy(what: str) -> str:
        """Buy something."""
        return world.do(what)

    script("attempts", [tool_call("buy", what="kite"), "bought"])
    agent = Agent(name="shopper", model="test/attempts", tools=[buy], callback_handler=None)

    async def work(ctx: Context) -> str:
        return str((await agent.run("buy a kite")).output)

    assert await runs(calls(work, world)) == "bought"

    assert world.done == ["kite"]


@EVERYWHERE
async def test_a_call_that_is_made_again_is_another_one(runs: Runs, world: World) -> None:
    @function
    async def works(ctx: Context) -> str:
        return await ctx.step("charge", world.do, "kite")

    @workflow
    async def calling(ctx: Context) -> list[str]:
        return [await ctx.task(works), await ctx.task(works)]

    await runs(calling)

    assert world.done == ["kite", "kite"]
