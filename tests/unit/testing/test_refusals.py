"""A platform in a test does not pass over what it cannot do, and refuses what the real one does."""

import contextlib
from collections.abc import Callable, Coroutine, Sequence
from datetime import timedelta
from typing import Any

import pytest

from towpath import Concurrency, Context, Debounce, RateLimit, Schedule, Singleton, workflow
from towpath.errors import ComponentError, ConfigurationError, InvalidInputError, RequestRefusedError
from towpath.testing import VirtualPlatform, VirtualRun, crash_everywhere

# --- Limits -------------------------------------------------------------------------------------------


def limited_by(*limits: Any, name: str = "limited") -> Any:
    @workflow(name, limits=limits)
    async def limited(ctx: Context, order: str = "") -> str:
        await ctx.sleep(60)
        return f"done {order}".strip()

    return limited


def parent_of(*children: Any) -> Any:
    """Make a workflow that starts runs of others and minds no failure of theirs."""

    @workflow
    async def parent(ctx: Context) -> list[Any]:
        started = [ctx.spawn(child) for child in children]
        ended: list[Any] = []
        for child in started:
            with contextlib.suppress(ComponentError):
                ended.append(await child.result())
        return ended

    return parent


async def test_a_run_that_is_alone_begins_as_if_there_were_no_limits() -> None:
    limited = limited_by(Concurrency(1), RateLimit(1, per=60), Singleton())

    async with VirtualPlatform() as platform:
        run = await platform.start(limited, idempotency_key="once")
        again = await platform.start(limited, idempotency_key="once")

        assert (await run.result(), again.run_id) == ("done", run.run_id)


@pytest.mark.parametrize(
    "limit", [Concurrency(1, key="order"), Singleton(), RateLimit(1, per=60), Debounce(wait=5)]
)
async def test_a_second_run_is_refused_with_what_to_do(limit: Any) -> None:
    limited = limited_by(limit)

    async with VirtualPlatform() as platform:
        await platform.start(limited, "kite")

        with pytest.raises(
            ConfigurationError, match=r"'limited' has limits .* keeps none.*without_limits=True"
        ):
            await platform.start(limited, "boat")


@pytest.mark.parametrize(
    ("limits", "is_refused"),
    [([Concurrency(1), Singleton()], False), ([RateLimit(1, per=60)], True), ([Debounce(wait=5)], True)],
)
async def test_runs_that_have_ended_count_for_limits_that_look_back(
    limits: Sequence[Any], *, is_refused: bool
) -> None:
    limited = limited_by(*limits)

    async with VirtualPlatform() as platform:
        await platform.run(limited)

        with pytest.raises(ConfigurationError) if is_refused else contextlib.nullcontext():
            assert await platform.run(limited, "later") == "done later"


async def test_a_pool_is_shared_by_components() -> None:
    first, second = (limited_by(Concurrency(1, pool="models"), name=name) for name in ("first", "second"))
    other = limited_by(Concurrency(1, pool="others"), Singleton(), name="other")

    async with VirtualPlatform() as platform:
        await platform.start(first)
        await platform.start(other)

        with pytest.raises(ConfigurationError, match="'second' has limits"):
            await platform.start(second)


async def test_the_test_is_told_of_children_though_their_parent_catches_it() -> None:
    limited = limited_by(Singleton())
    parent = parent_of(limited, limited)

    async with VirtualPlatform() as platform:
        with pytest.raises(ConfigurationError, match="'limited' has limits"):
            await platform.run(parent)
    with pytest.raises(ConfigurationError, match="'limited' has limits"):
        await crash_everywhere(parent)


async def test_the_test_is_told_of_children_though_their_parent_waits_for_ever() -> None:
    limited = limited_by(Singleton())

    @workflow
    async def parent(ctx: Context) -> None:
        await ctx.sleep(1)
        for _ in range(2):
            ctx.spawn(limited)
        await ctx.signal("never")

    async with VirtualPlatform() as platform:
        run = await platform.start(parent)

        with pytest.raises(ConfigurationError, match="'limited' has limits"):
            await run.result()


async def test_all_begin_at_once_where_the_test_says_so() -> None:
    limited = limited_by(Singleton())
    parent = parent_of(limited, limited)

    async with VirtualPlatform(without_limits=True) as platform:
        assert await platform.run(parent) == ["done", "done"]
    survived = await crash_everywhere(parent, without_limits=True)
    assert survived.finished.result == ["done", "done"]


async def test_crashes_of_a_run_with_limits_can_be_tested() -> None:
    survived = await crash_everywhere(limited_by(Concurrency(1)))

    assert survived.finished.result == "done"


async def test_a_run_with_limits_may_continue_as_new() -> None:
    @workflow(limits=[Singleton(), RateLimit(1, per=60)])
    async def counts(ctx: Context, number: int) -> int:
        return ctx.continue_as_new(number - 1) if number else number

    async with VirtualPlatform() as platform:
        assert await platform.run(counts, 3) == 0


# --- Schedules ----------------------------------------------------------------------------------------


async def test_time_starts_no_run_of_a_schedule_but_the_test_does() -> None:
    @workflow(schedule=Schedule(every_s=3600, input="all"))
    async def bill(ctx: Context, customer: str) -> list[str]:
        return [customer, ctx.headers()["towpath-scheduled-at"]]

    async with VirtualPlatform() as platform:
        await platform.advance(timedelta(days=2))
        assert platform.runs == []

        result = await platform.run(bill, "all", headers={"towpath-scheduled-at": "2025-01-01T01:00:00Z"})

    assert result == ["all", "2025-01-01T01:00:00Z"]


# --- Sizes --------------------------------------------------------------------------------------------


NONE: list[tuple[Callable[[Any, Any], Any], str]] = [
    (lambda platform, run: platform.start("waits", idempotency_key=""), "idempotency_key"),
    (lambda platform, run: platform.start("waits", headers={"a": 1}), "headers.a"),
    (lambda platform, run: platform.start("waits", attribution="ada"), "attribution"),
    (lambda platform, run: run.signal(""), "name"),
    (lambda platform, run: run.signal("paid", signal_id=5), "signal_id"),
    (lambda platform, run: platform.broadcast(""), "name: String"),
    (lambda platform, run: run.cancel(5), "reason"),
    (lambda platform, run: run.terminate(6), "reason: Input"),
    (lambda platform, run: platform.approve(run, decision="maybe"), "decision"),
    (lambda platform, run: platform.approve(run, by=5), "user_id"),
    (lambda platform, run: platform.approve(run, comment=5), "comment"),
]
"""Questions with an argument that is none, and what it is called."""


@pytest.mark.parametrize(("ask", "field"), NONE)
async def test_an_argument_that_is_none_is_named_before_anything_happens(
    ask: Callable[[VirtualPlatform, VirtualRun], Coroutine[Any, Any, Any]], field: str
) -> None:
    @workflow
    async def waits(ctx: Context) -> str:
        return (await ctx.human.approval("open")).decision

    async with VirtualPlatform() as platform:
        run = await platform.start(waits)
        with pytest.raises(InvalidInputError, match=f"^{field}"):
            await ask(platform, run)
        assert (len(platform.runs), run.waits_for) == (1, ["approval 'open'"])
        await platform.approve(run)
        assert await run.result() == "approved"


async def test_a_signal_that_is_too_large_is_refused() -> None:
    @workflow
    async def waits(ctx: Context) -> Any:
        return await ctx.signal("go")

    async with VirtualPlatform() as platform:
        run = await platform.start(waits)

        with pytest.raises(RequestRefusedError, match="the signal with its payload has 68,"):
            await run.signal("go", "x" * 68_000_000)
