"""Child runs: they are runs of their own, and what becomes of them when their parent ends is what was agreed."""

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


async def test_a_cancelled_parent_cancels_the_child_it_waits_for(grow: Any) -> None:
    @workflow
    async def parent(ctx: Context) -> Any:
        return await ctx.spawn(grow, 3).result()

    async with VirtualPlatform() as platform:
        run = await platform.start(parent)
        await run.cancel()
        await platform.rest()

        assert [one.status for one in platform.runs] == ["cancelled", "cancelled"]


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
