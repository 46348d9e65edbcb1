"""Knows which tasks the code of a run has started: while any is alive, what it is told must come in turns.

asyncio has one place where every task of a loop is made, its task factory. A task that is made by code of a run
is counted until it is done; the engine's own tasks are made outside of any run.
"""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from contextvars import Context, ContextVar
from typing import Any, TypeVar

T = TypeVar("T")
Code = Coroutine[Any, Any, T] | Generator[Any, None, T]


def _as_it_is(code: Code[T]) -> Code[T]:
    return code


class RunTasks:
    """The tasks that the code of one run has started, beside the one that runs it.

    Args:
        moved: Told whenever one begins or ends.

    Attributes:
        around: Wraps the code of each; for tests, which may interrupt it.
    """

    def __init__(self, moved: Callable[[], None]) -> None:
        self.alive = 0
        self.around: Callable[[Code[Any]], Code[Any]] = _as_it_is
        self._moved = moved

    def began(self, task: asyncio.Task[Any]) -> None:
        """Count a task until it is done."""
        self.alive += 1
        self._moved()
        task.add_done_callback(self._ended)

    def _ended(self, _task: asyncio.Task[Any]) -> None:
        self.alive -= 1
        self._moved()


_tasks: ContextVar[RunTasks | None] = ContextVar("towpath_run_tasks", default=None)


def _make(loop: asyncio.AbstractEventLoop, code: Code[T], **options: Any) -> asyncio.Task[T]:
    tasks = _tasks.get()
    if tasks is None:
        return asyncio.Task(code, loop=loop, **options)
    task: asyncio.Task[T] = asyncio.Task(tasks.around(code), loop=loop, **options)
    tasks.began(task)
    return task


@contextmanager
def counted(tasks: RunTasks) -> Generator[None]:
    """Count the tasks that are started inside the block."""
    loop = asyncio.get_running_loop()
    if loop.get_task_factory() is not _make:
        loop.set_task_factory(_make)
    token = _tasks.set(tasks)
    try:
        yield
    finally:
        _tasks.reset(token)


def outside(code: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
    """Start a task that is no part of any run's code."""
    return Context().run(asyncio.get_running_loop().create_task, code, name=name)
