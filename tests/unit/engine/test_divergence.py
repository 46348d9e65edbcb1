"""Code that does not repeat what its journal says: the run fails, and nothing happens before."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from towpath.context import Context
from towpath.engine.live_run import LiveRun
from towpath_schemas.journal import CallIntended, RunFinished, ValueDrawn
from towpath_testkit.held import Outbox, held
from towpath_testkit.journals import AT

Started = Callable[[LiveRun, Any], "asyncio.Task[RunFinished]"]


def said(finished: RunFinished) -> str:
    assert finished.end == "failed"
    assert finished.failure is not None
    assert finished.failure.code == "non_determinism"
    return finished.failure.message


async def test_code_that_catches_a_divergence_gets_no_further(started: Started) -> None:
    acted: list[str] = []

    async def stubborn(ctx: Context) -> str:
        with suppress(Exception):
            await ctx.step("work", acted.append, "charged", key="1")
        with suppress(Exception):
            await ctx.step("compensate", acted.append, "refunded")
        return "done"

    run = held(ValueDrawn(at=AT, key="work#=1", source="uuid", value="u"))

    finished = await asyncio.wait_for(started(run, stubborn), 5)

    assert "the journal has uuid 'work#=1', the code asked for step 'work#=1'" in said(finished)
    assert acted == []


async def test_code_that_catches_other_arguments_of_a_call_gets_no_further(started: Started) -> None:
    async def stubborn(ctx: Context) -> str:
        with suppress(Exception):
            await ctx.task("hello", "add", input=2)
        await ctx.task("hello", "undo")
        return "done"

    outbox = Outbox()
    intent = CallIntended(at=AT, key="task:add#0", act="task", target="add", service="hello", input=1)

    finished = await asyncio.wait_for(started(held(intent, outbox=outbox), stubborn), 5)

    assert "'task:add#0' called with 1, the code asked for 'task:add#0' called with 2" in said(finished)
    assert outbox.sent == []
