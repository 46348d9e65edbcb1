"""Code that catches its own cancellation and goes on holds up nobody: it is dropped with its run, and goes on by replay."""

import asyncio
from typing import Any

import pytest

from towpath import Context, dropping, workflow
from towpath.errors import ComponentError
from towpath.testing import VirtualPlatform


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dropping, "GRACE_S", 0.2)


async def by_signal(ctx: Context) -> Any:
    while True:
        try:
            return await ctx.signal("event")
        except BaseException:  # noqa: BLE001, S112 - what is tested
            continue


async def by_clock(ctx: Context) -> Any:
    while True:
        try:
            return await ctx.signal("event")
        except BaseException:  # noqa: BLE001 - what is tested
            await _quiet(0.001)


async def by_chance(ctx: Context) -> Any:
    while True:
        try:
            ctx.random()
            return await ctx.signal("event")
        except BaseException:  # noqa: BLE001, S112 - what is tested
            continue


async def in_a_task(ctx: Context) -> Any:
    return await asyncio.create_task(by_signal(ctx))


async def in_new_tasks(ctx: Context) -> Any:
    while True:
        try:
            return await asyncio.create_task(_signal(ctx))
        except BaseException:  # noqa: BLE001, S112 - what is tested
            continue


async def _signal(ctx: Context) -> Any:
    return await ctx.signal("event")


async def _quiet(seconds: float) -> None:
    try:
        await asyncio.sleep(seconds)
    except BaseException:  # noqa: BLE001 - what is tested
        return


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize(
    "code", [by_signal, by_clock, by_chance, in_a_task, in_new_tasks], ids=lambda code: code.__name__
)
async def test_a_run_whose_code_catches_everything_is_suspended_and_goes_on(code: Any) -> None:
    stubborn = workflow("stubborn")(code)

    async with asyncio.timeout(10), VirtualPlatform() as platform:
        run = await platform.start(stubborn)
        assert run.status == "suspended"
        await run.signal("event", "paid")

        assert await run.result() == "paid"


async def test_code_that_diverges_and_catches_that_fails_its_run() -> None:
    names = iter(["old"])

    @workflow
    async def changed(ctx: Context) -> Any:
        name = next(names, "new")
        while True:
            try:
                await ctx.step(name, lambda: None)
                return await ctx.signal("event")
            except Exception:  # noqa: BLE001, S112 - what is tested
                continue

    async with asyncio.timeout(10), VirtualPlatform() as platform:
        run = await platform.start(changed)
        await run.signal("event", "paid")

        with pytest.raises(ComponentError, match="step 'old#0'"):
            await run.result()


async def test_blocks_within_blocks_that_clean_up_all_end() -> None:
    cleaned: list[int] = []

    async def nested(ctx: Context, depth: int = 50) -> Any:
        try:
            return await (nested(ctx, depth - 1) if depth else ctx.signal("event"))
        finally:
            cleaned.append(depth)
            await ctx.step("clean", lambda: None)

    @workflow
    async def careful(ctx: Context) -> Any:
        return await nested(ctx)

    async with VirtualPlatform() as platform:
        await platform.start(careful)

        assert cleaned == [*range(51)]
