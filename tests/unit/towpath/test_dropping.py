"""Code that does not end when it is cancelled is dropped; what cleans up in time is not."""

import asyncio
from collections.abc import Callable

import pytest

from towpath import dropping
from towpath.dropping import Droppable, ended, over_after
from towpath.local.calls import within


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dropping, "GRACE_S", 0.05)


async def never_ends(heard: type[BaseException] = asyncio.CancelledError) -> str:
    """Swallow what it hears; a parameter is known still when Python clears modules away at its end."""
    while True:
        try:
            await asyncio.sleep(0.005)
        except heard:
            continue


async def cleans_up(cleaned: list[str]) -> None:
    try:
        await asyncio.sleep(60)
    finally:
        await asyncio.sleep(0.01)
        cleaned.append("done")


class Over:
    """Whether code is over."""

    def __init__(self) -> None:
        self.is_so = False

    def give_up(self) -> None:
        self.is_so = True

    def __call__(self) -> bool:
        return self.is_so


async def test_a_task_that_does_not_end_is_dropped() -> None:
    over = Over()
    task = asyncio.create_task(Droppable(never_ends(), over))
    await asyncio.sleep(0)

    assert await ended(task, over.give_up)
    assert task.cancelled()


async def test_a_task_that_cleans_up_in_time_is_not() -> None:
    over, cleaned = Over(), list[str]()
    task = asyncio.create_task(Droppable(cleans_up(cleaned), over))
    await asyncio.sleep(0)

    assert await ended(task, over.give_up)
    assert cleaned == ["done"]
    assert not over.is_so


async def test_what_is_no_code_of_ours_is_left_behind() -> None:
    task = asyncio.create_task(never_ends())
    await asyncio.sleep(0)

    assert not await ended(task, lambda: None)

    task.get_coro().close()


async def timed(code: Callable[[], object], limit_s: float = 0.02) -> object:
    async with within(limit_s, "f"):
        with over_after(limit_s) as is_over:
            return await Droppable(code(), is_over)  # type: ignore[arg-type]


async def test_code_that_outlives_its_time_limit_ends_with_that() -> None:
    with pytest.raises(TimeoutError, match=r"f did not end within 0\.02 s"):
        await timed(never_ends)

    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0, "nobody has asked the caller to end"


async def test_code_that_is_cancelled_by_its_caller_is_not_timed_out() -> None:
    task = asyncio.create_task(timed(lambda: asyncio.sleep(60), limit_s=60))
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_result_in_time_is_a_result() -> None:
    async def answers() -> int:
        await asyncio.sleep(0)
        return 1

    assert await timed(answers) == 1
