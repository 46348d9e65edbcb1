"""Running code on a held run, as a runner would."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from towpath.components import Component, ComponentType, Registry
from towpath.context import Context
from towpath.engine.execution import execute
from towpath.engine.live_run import LiveRun
from towpath.retry import ONCE
from towpath_schemas.journal import RunFinished

Code = Callable[[Context], Awaitable[Any]]


def registered(code: Code) -> Registry:
    """Register code as the workflow that the builders' runs are of."""

    async def run(context: Any, payload: Any) -> Any:
        return await code(context)

    registry = Registry()
    registry.add(Component(name="greet", kind=ComponentType.WORKFLOW, execute=run, retry=ONCE, source=code))
    return registry


@pytest.fixture
def started() -> Callable[[LiveRun, Code], "asyncio.Task[RunFinished]"]:
    """Start code on a held run."""

    def start(run: LiveRun, code: Code) -> "asyncio.Task[RunFinished]":
        return asyncio.create_task(execute(run, registered(code)))

    return start


async def at_rest(rounds: int = 60) -> None:
    """Let the code go on until it waits."""
    for _ in range(rounds):
        await asyncio.sleep(0)
