"""Calls that replay repeats: the same call is answered from the journal, another one in its place is refused."""

from typing import cast

import pytest

from towpath.components import Registry
from towpath.context import running_in
from towpath.errors import NonDeterminismError
from towpath.runtime.durable_context import DurableContext
from towpath.runtime.live_run import Entries, LiveRun
from towpath.runtime.replay import History
from towpath_chassis.jetstream import JetStream
from towpath_schemas.journal import CallIntended, CallSettled
from towpath_testkit.journals import AT, run_started

INTENDED = CallIntended(
    at=AT, key="task:add#0", act="task", target="add", service="hello", input={"a": 1, "b": [2.0]}
)
SETTLED = CallSettled(at=AT, key="task:add#0", act="task", target="add", result=3)


class NothingWritten:
    async def append(self, number: int, body: bytes) -> None:
        pytest.fail("replay writes nothing")


def replayed() -> DurableContext:
    history = History(enumerate([run_started(), INTENDED, SETTLED]))
    entries: Entries = NothingWritten()
    run = LiveRun(cast("JetStream", None), "run-1", run_started(), history, entries)
    return DurableContext(run, Registry())


async def test_a_call_with_the_same_arguments_is_answered_from_the_journal() -> None:
    context = replayed()

    with running_in(context):
        assert await context.task("hello", "add", input={"b": (2,), "a": 1}) == 3


async def test_a_call_with_other_arguments_never_gets_the_answer_that_was_meant_for_another() -> None:
    context = replayed()

    with running_in(context), pytest.raises(NonDeterminismError) as raised:
        await context.task("hello", "add", input={"a": 2, "b": [2]})

    assert "{'a': 1, 'b': [2.0]}" in raised.value.expected
    assert "{'a': 2, 'b': [2]}" in raised.value.found
