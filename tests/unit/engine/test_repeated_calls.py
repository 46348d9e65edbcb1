"""Calls that replay repeats: the same call is answered from the journal, another one in its place is refused."""

import pytest

from towpath.components import Registry
from towpath.current import running_in
from towpath.engine.durable_context import DurableContext
from towpath.errors import NonDeterminismError
from towpath_schemas.journal import CallIntended, CallSettled
from towpath_testkit.held import held
from towpath_testkit.journals import AT

INTENDED = CallIntended(
    at=AT, key="task:add#0", act="task", target="add", service="hello", input={"a": 1, "b": [2.0]}
)
SETTLED = CallSettled(at=AT, key="task:add#0", act="task", target="add", result=3)


class NothingWritten:
    async def append(self, number: int, body: bytes) -> None:
        pytest.fail("replay writes nothing")

    async def are_ours(self) -> bool:
        return True


async def replayed() -> DurableContext:
    return DurableContext(held(INTENDED, SETTLED, entries=NothingWritten()), Registry())


async def test_a_call_with_the_same_arguments_is_answered_from_the_journal() -> None:
    context = await replayed()

    with running_in(context):
        assert await context.task("hello", "add", input={"b": (2,), "a": 1}) == 3


async def test_a_call_with_other_arguments_never_gets_the_answer_that_was_meant_for_another() -> None:
    context = await replayed()

    with running_in(context), pytest.raises(NonDeterminismError) as raised:
        await context.task("hello", "add", input={"a": 2, "b": [2]})

    assert "{'a': 1, 'b': [2.0]}" in raised.value.expected
    assert "{'a': 2, 'b': [2]}" in raised.value.found
