"""Child runs: they are runs of their own, and what becomes of them when their parent ends is what was agreed."""

import asyncio
from typing import Any

import pytest

from towpath import Context, workflow
from towpath.components import Component, ComponentType, Registry
from towpath.errors import ComponentError
from towpath.testing import VirtualPlatform, VirtualRun, crash_everywhere


@pytest.fixture
def grow() -> Any:
    @workflow
    async def grow(ctx: Context, days: int) -> int:
        await ctx.sleep(86_400 * days)
        return days * 10

    return grow


def of(platform: VirtualPlatform, component: str) -> list[VirtualRun]:
    started = [(run, run.journal[0]) for run in platform.runs]
    return [run for run, first in started if getattr(first, "component", "") == component]


async def test_a_child_is_a_run_of_its_own_whose_end_is_its_result(grow: Any) -> None:
    @workflow
    async def parent(ctx: Context) -> Any:
        children = [ctx.spawn(grow, days, key=f"child-{days}") for days in (2, 1)]
        return [await child.result() for child in children]

    async with VirtualPlatform() as platform:
        run = await platform.start(parent)
        assert len(of(platform, "grow")) == 2
        assert await run.result() == [20, 10]

    survived = await crash_everywhere(parent)
    assert survived.finished.result == [20, 10]


async def test_a_child_that_fails_fails_at_its_parents_await() -> None:
    @workflow
    async def fails(ctx: Context) -> None:
        raise ValueError("no bread")

    @workflow
    async def parent(ctx: Context) -> str:
        try:
            await ctx.spawn(fails).result()
        except ComponentError as error:
            return f"{error.failure.error_type}: {error}"
        return "fine"

    async with VirtualPlatform() as platform:
        assert await platform.run(parent) == "ValueError: no bread"


async def test_a_child_that_nobody_knows_fails_with_the_remedy() -> None:
    @workflow
    async def parent(ctx: Context) -> None:
        await ctx.spawn("nobody").result()

    async with VirtualPlatform() as platform:
        with pytest.raises(ComponentError, match="no component 'nobody' is registered"):
            await platform.run(parent)


@pytest.mark.parametrize(
    ("join", "days", "status"),
    [("detached", 0, "suspended"), ("cancel", 0, "cancelled"), ("required", 3, "completed")],
)
async def test_what_becomes_of_a_child_when_its_parent_ends_is_what_was_agreed(
    grow: Any, join: Any, days: int, status: str
) -> None:
    @workflow
    async def parent(ctx: Context) -> str:
        ctx.spawn(grow, 3, join=join)
        await ctx.step("work", lambda: 1)
        return "done"

    async with VirtualPlatform() as platform:
        run, begun = await platform.start(parent), platform.now
        assert await run.result() == "done"
        assert (platform.now - begun).days == days
        await platform.rest()
        assert [child.status for child in of(platform, "grow")] == [status]


@pytest.mark.parametrize(("join", "status"), [("detached", "suspended"), ("cancel", "cancelled")])
async def test_a_cancelled_parent_cancels_the_child_it_waits_for_unless_that_is_detached(
    grow: Any, join: Any, status: str
) -> None:
    @workflow
    async def parent(ctx: Context) -> Any:
        try:
            return await ctx.spawn(grow, 3, join=join).result()
        finally:
            await ctx.signal("cleaned up")

    async with VirtualPlatform() as platform:
        run = await platform.start(parent)
        await run.cancel()
        await platform.rest()

        assert [one.status for one in platform.runs] == ["suspended", status]


async def test_a_child_goes_on_though_its_parent_gives_up_waiting_for_it(grow: Any) -> None:
    @workflow
    async def parent(ctx: Context) -> str:
        child = ctx.spawn(grow, 3, join="required")
        try:
            await ctx.gather(child.result(), ctx.step("fails", lambda: 1 / 0, retry=1))
        except ComponentError:
            left = asyncio.create_task(child.result())
            await ctx.step("rest", lambda: 1)
            return f"waits no more, {left.done()}"
        return "heard"

    async with VirtualPlatform() as platform:
        run, begun = await platform.start(parent), platform.now

        assert await run.result() == "waits no more, False"
        assert (platform.now - begun).days == 3
        assert [one.status for one in of(platform, "grow")] == ["completed"]


def ends_in(how: str, ctx: Context) -> str:
    if how == "raise":
        raise ValueError("no bread")
    if how == "continue":
        ctx.continue_as_new("return")
    return "returned"


@pytest.mark.parametrize("how", ["return", "raise", "continue"])
async def test_a_child_that_is_started_right_before_the_end_is_not_lost_wherever_its_parent_dies(
    how: str,
) -> None:
    fed: list[str] = []

    @workflow
    async def feed(ctx: Context, by: str) -> None:
        await ctx.step("feed", fed.append, by)

    @workflow
    async def parent(ctx: Context, how: str) -> str:
        ctx.spawn(feed, how)
        return ends_in(how, ctx)

    async def script(platform: VirtualPlatform, run: VirtualRun) -> None:
        await run.ended()
        await platform.rest()

    def all_were_fed(_run: VirtualRun) -> None:
        assert sorted(set(fed)) == sorted({how, "return"} if how == "continue" else {how})

    await crash_everywhere(parent, how, script=script, before_each=fed.clear, after_each=all_were_fed)


async def test_a_child_that_a_step_starts_begins_once_and_before_the_step_has_ended() -> None:
    fed: list[str] = []

    @workflow
    async def feed(ctx: Context) -> None:
        await ctx.step("feed", fed.append, "fish")

    @workflow
    async def parent(ctx: Context) -> str:
        async def starter() -> str:
            return ctx.spawn(feed).run_id

        child = await ctx.step("start", starter)
        await ctx.sleep(1_000)
        return child

    def fed_once(run: VirtualRun) -> None:
        kinds = [record.kind for record in run.journal]
        assert kinds.index("call.intended") < kinds.index("step.settled")
        assert set(fed) == {"fish"}

    await crash_everywhere(parent, before_each=fed.clear, after_each=fed_once)


async def test_a_run_continues_as_new_when_the_children_have_ended_that_it_requires(grow: Any) -> None:
    @workflow
    async def parent(ctx: Context, generation: int) -> str:
        if generation == 0:
            ctx.spawn(grow, 3, join="required")
            ctx.continue_as_new(1)
        return "done"

    async with VirtualPlatform() as platform:
        run, begun = await platform.start(parent, 0), platform.now

        assert await run.result() == "done"
        assert (platform.now - begun).days == 3
        assert [one.status for one in of(platform, "grow")] == ["completed"]


async def test_a_child_that_is_too_large_to_be_started_fails_the_run_that_continues_as_new(grow: Any) -> None:
    @workflow
    async def parent(ctx: Context) -> None:
        ctx.spawn(grow, "x" * (65 * 1024 * 1024))
        ctx.continue_as_new()

    async with VirtualPlatform() as platform:
        with pytest.raises(ComponentError, match="the call of 'grow' with its arguments"):
            await platform.run(parent)


async def test_code_that_continues_as_new_where_it_did_something_else_before_has_diverged(grow: Any) -> None:
    first = [True]

    @workflow
    async def parent(ctx: Context) -> None:
        if first:
            first.clear()
            await ctx.sleep(86_400)
        ctx.continue_as_new()

    async with VirtualPlatform() as platform:
        with pytest.raises(ComponentError, match="the journal has timer 'timer#0'"):
            await platform.run(parent)


async def test_a_terminated_parent_takes_its_attached_children_with_it(grow: Any) -> None:
    @workflow
    async def parent(ctx: Context) -> Any:
        ctx.spawn(grow, 3, join="cancel")
        await ctx.signal("never")

    async with VirtualPlatform() as platform:
        run = await platform.start(parent)
        await run.terminate()

        assert [one.status for one in platform.runs] == ["terminated", "cancelled"]


async def test_a_child_goes_on_as_new_and_its_parent_hears_of_the_last_one() -> None:
    @workflow
    async def countdown(ctx: Context, number: int) -> str:
        if number:
            ctx.continue_as_new(number - 1)
        return "lift-off"

    @workflow
    async def parent(ctx: Context) -> str:
        return await ctx.spawn(countdown, 2).result()

    async with VirtualPlatform() as platform:
        assert await platform.run(parent) == "lift-off"


async def test_an_error_of_the_platform_itself_is_not_kept_from_the_test() -> None:
    class Broken(Registry):
        def pinned(self, kind: ComponentType, name: str, version: str | None) -> Component | None:
            raise OSError("the disk is full")

    async def run(context: Any, payload: Any) -> None: ...

    registry = Broken()
    registry.add(Component(name="any", kind=ComponentType.WORKFLOW, execute=run))
    async with VirtualPlatform(registry=registry) as platform:
        with pytest.raises(OSError, match="the disk is full"):
            await platform.start("any")


async def test_a_child_that_is_started_twice_by_one_key_is_intended_once(grow: Any) -> None:
    @workflow
    async def parent(ctx: Context) -> list[int]:
        children = [ctx.spawn(grow, days, key="one") for days in (1, 2)]
        return [await child.result() for child in children]

    async with VirtualPlatform() as platform:
        run = await platform.start(parent)

        assert await run.result() == [10, 10]
        assert [record.kind for record in run.journal].count("call.intended") == 1


@pytest.mark.parametrize("always_replay", [False, True])
async def test_a_run_that_is_only_dropped_from_memory_cancels_no_children(
    always_replay: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    @workflow
    async def child(ctx: Context) -> str:
        await ctx.sleep(3_600)
        return "done"

    @workflow
    async def tidy(ctx: Context) -> str:
        working = ctx.spawn(child)
        try:
            return await working.result()
        finally:
            await working.cancel("it is not needed any more")

    async with VirtualPlatform(always_replay=always_replay) as platform:
        run = await platform.start(tidy)
        await platform.advance(minutes=5)
        assert not run.in_memory
        assert await run.result() == "done"
