"""A signal that a wait got, and that the code was not told of before its end, goes to the run that goes on from it."""

import asyncio
from typing import Any

import pytest

from towpath import Context, workflow
from towpath.testing import VirtualPlatform, check_replay, run_virtual
from towpath.testing.disturbance import Disturbance, Victim
from towpath_schemas.journal import CallSettled, JournalRecord, SignalReturned

MINUTE_S = 60


class SlowTimers(Disturbance):
    """Has it take a moment to write that a timer has fired, in which something may come.

    Args:
        dies_before_its_end: Whether the process dies, once, when it has given a signal back.
    """

    def __init__(self, *, dies_before_its_end: bool) -> None:
        self.fires = asyncio.Event()
        self.returned: list[str] = []
        self._dies = dies_before_its_end

    async def before_write(self, victim: Victim, record: JournalRecord) -> None:
        if isinstance(record, CallSettled) and record.act == "timer":
            self.fires.set()
            await asyncio.sleep(1)

    async def after_write(self, victim: Victim, record: JournalRecord) -> None:
        if isinstance(record, SignalReturned):
            self.returned.append(record.signal_id)
            if self._dies:
                self._dies = False
                victim.die()


def listens_for_a_minute(*, cancels: bool) -> Any:
    @workflow
    async def listens(ctx: Context, heard: list[int]) -> list[int]:
        async def listen() -> None:
            while True:
                heard.append(await ctx.signal("in"))

        listeners = [asyncio.create_task(listen()) for _ in range(2)]
        await ctx.sleep(MINUTE_S)
        if cancels:
            for one in listeners:
                one.cancel()
        if len(heard) < 3:
            ctx.continue_as_new({"heard": heard})
        return heard

    return listens


@pytest.mark.parametrize("dies", [False, True])
@pytest.mark.parametrize("cancels", [False, True])
def test_a_signal_that_was_being_written_when_its_run_ended_goes_on(
    cancels: bool,  # noqa: FBT001 - a parameter of the test
    dies: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    listens = listens_for_a_minute(cancels=cancels)

    async def main() -> None:
        slow = SlowTimers(dies_before_its_end=dies)
        async with VirtualPlatform(disturbance=slow) as platform:
            run = await platform.start(listens, {"heard": []})
            minute = asyncio.create_task(platform.advance(seconds=MINUTE_S))
            await slow.fires.wait()
            await asyncio.gather(*(run.signal("in", number) for number in range(3)))
            await minute

            assert await run.result() == [0, 1, 2]
            assert [one.status for one in platform.runs] == ["continued", "completed"]
            assert slow.returned
            assert check_replay(listens, platform.runs[0].export()).ended is not None

    run_virtual(main)
