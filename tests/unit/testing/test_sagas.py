"""Sagas: what was done is undone, newest first, if the run fails, and only then; whatever comes in between."""

import pytest

from towpath import CompensationError, ComponentError, Context, local, workflow
from towpath.testing import VirtualPlatform, VirtualRun, crash_everywhere


async def test_a_saga_does_not_undo_what_a_run_has_done_that_continues_as_new() -> None:
    world: list[str] = []

    @workflow
    async def pays(ctx: Context, month: int) -> int:
        async with ctx.saga() as saga:
            await ctx.step("charge", world.append, f"charge {month}")
            saga.on_failure("refund", world.append, f"refund {month}")
            if month < 2:
                ctx.continue_as_new(month + 1)
        return month

    survived = await crash_everywhere(pays, 1, before_each=world.clear)

    assert survived.finished.result == 2
    assert set(world) == {"charge 1", "charge 2"}
    world.clear()
    assert await local.run(pays, 1) == 2
    assert world == ["charge 1", "charge 2"]


async def test_a_saga_undoes_all_though_the_run_is_cancelled_meanwhile() -> None:
    world: list[str] = []

    @workflow
    async def pays(ctx: Context) -> None:
        async def undo(what: str) -> None:
            world.append(f"begins {what}")
            await ctx.sleep(10)
            world.append(f"ends {what}")

        async with ctx.saga() as saga:
            saga.on_failure("unbook", undo, "unbook")
            saga.on_failure("refund", undo, "refund")
            raise ValueError("no bread")

    async def script(platform: VirtualPlatform, run: VirtualRun) -> None:
        await platform.advance(seconds=5)
        await run.cancel("never mind")

    def undone_in_order(_run: VirtualRun) -> None:
        assert list(dict.fromkeys(world)) == ["begins refund", "ends refund", "begins unbook", "ends unbook"]

    survived = await crash_everywhere(
        pays, script=script, before_each=world.clear, after_each=undone_in_order
    )

    assert survived.finished.end == "cancelled"
    assert survived.finished.failure is not None
    assert survived.finished.failure.message == "the run was cancelled: never mind"


def unreachable() -> None:
    raise OSError("the bank is down")


async def test_a_saga_that_cannot_undo_all_says_what_it_could_not_and_why_it_was_to() -> None:
    world: list[str] = []

    @workflow
    async def pays(ctx: Context) -> None:
        try:
            async with ctx.saga() as saga:
                saga.on_failure("unbook", world.append, "unbooked")
                saga.on_failure("refund", unreachable)
                int("no bread")
        except ValueError:
            world.append("taken for undone")

    said = "invalid literal for int() with base 10: 'no bread'; not undone: 'refund' (the bank is down)"
    async with VirtualPlatform() as platform:
        with pytest.raises(ComponentError) as caught:
            await platform.run(pays)
    assert (caught.value.failure.error_type, str(caught.value)) == ("CompensationError", said)
    with pytest.raises(ComponentError) as caught:
        await local.run(pays)
    assert (caught.value.failure.error_type, str(caught.value)) == ("CompensationError", said)
    assert world == ["unbooked", "unbooked"]


async def test_a_cancelled_run_that_cannot_undo_all_is_cancelled_and_says_so() -> None:
    @workflow
    async def pays(ctx: Context) -> None:
        async with ctx.saga() as saga:
            saga.on_failure("refund", unreachable)
            await ctx.signal("never")

    async def script(platform: VirtualPlatform, run: VirtualRun) -> None:
        await run.cancel("never mind")

    survived = await crash_everywhere(pays, script=script)

    assert survived.finished.end == "cancelled"
    assert survived.finished.failure is not None
    assert survived.finished.failure.message == (
        "the run was cancelled: never mind; not undone: 'refund' (the bank is down)"
    )


async def test_code_that_undoes_by_itself_hears_what_could_not_be_undone() -> None:
    @workflow
    async def pays(ctx: Context) -> str:
        saga = ctx.saga()
        saga.on_failure("refund", unreachable)
        try:
            await saga.compensate()
        except CompensationError as error:
            return f"{error} {sorted(error.failures)}"
        return "undone"

    expected = "not undone: 'refund' (the bank is down) ['refund']"
    assert await local.run(pays) == expected
    async with VirtualPlatform() as platform:
        assert await platform.run(pays) == expected


async def test_a_compensation_that_has_happened_already_is_refused_when_it_is_given() -> None:
    world: list[str] = []

    @workflow
    async def pays(ctx: Context) -> None:
        async with ctx.saga() as saga:
            await ctx.step("charge", world.append, "charge")
            saga.on_failure("refund", world.append("refund"))
            world.append("ship")

    with pytest.raises(ComponentError, match="step 'refund' was given a NoneType: it was computed before"):
        await local.run(pays)
    assert world == ["charge", "refund"]
