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
        self._alive: set[asyncio.Task[Any]] = set()
        self.around: Callable[[Code[Any]], Code[Any]] = _as_it_is
        self._moved = moved

    def began(self, task: asyncio.Task[Any]) -> None:
        """Count a task until it is done."""
        self._alive.add(task)
        self._moved()
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._alive.discard(task)
        self._moved()

    @property
    def alive(self) -> int:
        """How many there are that are not done."""
        return len(self._alive)

    def cancel(self) -> None:
        """Cancel those that the code has left behind."""
        for task in self._alive:
            task.cancel()


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
