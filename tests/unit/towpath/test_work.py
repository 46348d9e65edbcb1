"""What a step is given: as what its result is read, and how it is dropped unrun."""

import asyncio
import gc
import warnings
from typing import Any

import pytest

from towpath import Agent, AgentResult
from towpath.discarding import discard_work
from towpath.work import result_type_of


class Calls:
    async def __call__(self, a: int) -> int:
        return a

    def method(self) -> str:
        return "m"


async def gives() -> list[int]:
    return [1]


def unknown() -> "Nowhere": ...  # type: ignore[name-defined]  # noqa: F821


WORK: list[tuple[Any, Any]] = [
    (gives, list[int]),
    (Calls().method, str),
    (lambda: 1, Any),
    (unknown, Any),
    (print, Any),
    (7, Any),
]


@pytest.mark.parametrize(("work", "kind"), WORK)
def test_the_annotation_says_as_what_a_result_is_read(work: Any, kind: Any) -> None:
    assert result_type_of(work) == result_type_of(work) == kind


def test_a_run_of_an_agent_says_it_itself() -> None:
    assert result_type_of(Agent(model="test/echo").run("q")) is AgentResult


async def test_everything_that_can_be_awaited_can_be_dropped_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        task = asyncio.create_task(asyncio.sleep(10))
        for work in (gives(), Agent(model="test/echo").run("q"), task, gives, 7):
            discard_work(work)
        gc.collect()

    with pytest.raises(asyncio.CancelledError):
        await task
