"""Knows which tasks the code of a run has started: while any is alive, what it is told must come in turns.

asyncio has one place where every task of a loop is made, its task factory. A task that is made by code of a run
is counted until it is done; the engine's own tasks are made outside of any run.

Which of them end with the run is another question. What the code itself has started does, and whatever acts on the
run. But a step, a model call or a function may be the first to use a client that many runs share, and the tasks that
this client starts then are its own: to cancel them would break it for everybody.
"""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from contextvars import Context, ContextVar
from typing import Any, TypeVar

from towpath.scopes import running_task

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
        self._bound: set[asyncio.Task[Any]] = set()
        self.around: Callable[[Code[Any]], Code[Any]] = _as_it_is
        self._moved = moved

    def began(self, task: asyncio.Task[Any]) -> None:
        """Count a task until it is done."""
        self._alive.add(task)
        if not in_work.get():
            self._bound.add(task)
        self._moved()
        task.add_done_callback(self._ended)

    def acts(self) -> None:
        """Bind the running task to the run, if it was started by its code: it acts on it."""
        task = running_task() if self._alive else None
        if task in self._alive:
            self._bound.add(task)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._alive.discard(task)
        self._bound.discard(task)
        self._moved()

    @property
    def alive(self) -> int:
        """How many there are that are not done."""
        return len(self._alive)

    def cancel(self) -> None:
        """Cancel those that the code has left behind; what work has started and does not act on the run lives on."""
        for task in self._bound:
            task.cancel()


_tasks: ContextVar[RunTasks | None] = ContextVar("towpath_run_tasks", default=None)
in_work: ContextVar[bool] = ContextVar("towpath_in_work", default=False)
"""Whether the code that runs is work, which replay does not repeat: a step's, a model's, a function's."""


def _make(loop: asyncio.AbstractEventLoop, code: Code[T], **options: Any) -> asyncio.Task[T]:
    tasks = _tasks.get()
    if tasks is None:
        return asyncio.Task(code, loop=loop, **options)
    task: asyncio.Task[T] = asyncio.Task(tasks.around(code), loop=loop, **options)
    tasks.began(task)
    return task


@contextmanager
def counted(tasks: RunTasks, *, work: bool = False) -> Generator[None]:
    """Count the tasks that are started inside the block, whose code may all be `work`."""
    loop = asyncio.get_running_loop()
    if loop.get_task_factory() is not _make:
        loop.set_task_factory(_make)
    token, outer = _tasks.set(tasks), in_work.set(work)
    try:
        yield
    finally:
        in_work.reset(outer)
        _tasks.reset(token)


def outside(code: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
    """Start a task that is no part of any run's code."""
    return Context().run(asyncio.get_running_loop().create_task, code, name=name)
