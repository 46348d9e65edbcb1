"""Knows which tasks the code of a run has started: while any is alive, what it is told must come in turns.

asyncio has one place where every task of a loop is made, its task factory. A task that is made by code of a run
is counted until it is done; the engine's own tasks are made outside of any run.

Which of them end with the run is another question. What the code itself has started does, and whatever acts on the
run. But a step, a model call or a function may be the first to use a client that many runs share, and the tasks that
this client starts then are its own: to cancel them would break it for everybody.
"""

import asyncio
from collections.abc import Callable, Coroutine, Generator, Iterable
from contextlib import contextmanager
from contextvars import Context, ContextVar, copy_context
from types import FrameType
from typing import Any, TypeVar

from towpath.around import Code
from towpath.current import context_or_none
from towpath.dropping import Droppable
from towpath.engine.containing import Branch
from towpath.engine.resting import pass_time, restless
from towpath.scopes import enter_branch, give_to_step, running_task, step_in

T = TypeVar("T")


def _as_it_is(code: Code[T]) -> Code[T]:
    return code


class RunTasks:
    """The tasks that the code of one run has started, beside the one that runs it.

    Args:
        moved: Told whenever one begins or ends.
        are_over: Tells whether they are dropped where they do not end; see `Droppable`.

    Attributes:
        around: Wraps the code of each; for tests, which may interrupt it.
    """

    def __init__(self, moved: Callable[[], None], are_over: Callable[[], bool]) -> None:
        self._alive: dict[asyncio.Task[Any], Context] = {}
        # In the order in which they began to act, which a set would not keep.
        self._bound: dict[asyncio.Task[Any], None] = {}
        self._main: asyncio.Task[Any] | None = None
        self._restless: asyncio.Task[Any] | None = None
        self.around: Callable[[Code[Any]], Code[Any]] = _as_it_is
        self._moved = moved
        self._are_over = are_over

    def runs_in(self, main: "asyncio.Task[Any] | None") -> None:
        """Say which task runs the component itself."""
        self._main = main

    def droppable(self, code: Code[T]) -> Code[T]:
        """Write the code of one so that it ends with the run."""
        return Droppable(self.around(code), self._are_over)

    def began(self, task: asyncio.Task[Any], context: Context) -> None:
        """Count a task, which runs in a context of its own, until it is done."""
        self._alive[task] = context
        if not in_work.get():
            self._bound[task] = None
        self._moved()
        task.add_done_callback(self._ended)

    def acts(self) -> None:
        """Bind the running task to the run, if it was started by its code: it acts on it."""
        task = running_task() if self._alive else None
        if task in self._alive:
            self._bound[task] = None

    def give_to_step(self, tasks: Iterable[asyncio.Task[Any]], step: str) -> None:
        """Make tasks that have not begun a part of the step with this scope."""
        for task in tasks:
            if (context := self._alive.get(task)) is not None:
                context.run(give_to_step, step)

    async def end_inside(self, step: str) -> None:
        """Cancel the tasks in the step with this scope that act on the run, and return when they have ended."""
        left = [task for task in self._bound if step_in(self._alive[task]).startswith(step)]
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._alive.pop(task, None)
        self._bound.pop(task, None)
        self._moved()

    @property
    def alive(self) -> int:
        """How many there are that are not done."""
        return len(self._alive)

    @property
    def at_rest(self) -> bool:
        """Whether all code of the run waits: for acts, or for other tasks of it; not for a thread, a socket, the clock."""
        if self._main is None:
            return True
        last = self._restless  # most likely it is so still, and of many tasks no other need be looked at
        others = (*self._bound, last) if last in self._bound else self._bound
        self._restless = restless(self._main, others, self._alive)
        return self._restless is None

    def pass_time(self) -> None:
        """Have the next time limit end at once that the code has set itself, if all of it rests but for those."""
        if self._main is not None:
            pass_time(self._main, self._bound, self._alive)

    def cancel(self) -> None:
        """Cancel those that the code has left behind; what work has started and does not act on the run lives on."""
        for task in [*self._bound]:
            task.cancel()


_tasks: ContextVar[RunTasks | None] = ContextVar("towpath_run_tasks", default=None)
in_work: ContextVar[bool] = ContextVar("towpath_in_work", default=False)
"""Whether the code that runs is work, which replay does not repeat: a step's, a model's, a function's."""
_PLACED = ("towpath.engine.", "towpath.context_services.")
_in_call: ContextVar[bool] = ContextVar("towpath_in_call", default=False)


def _make(loop: asyncio.AbstractEventLoop, code: Code[T], **options: Any) -> asyncio.Task[T]:
    tasks = _tasks.get()
    if tasks is None:
        return asyncio.Task(Branch(code) if _in_call.get() else code, loop=loop, **options)
    context = options.pop("context", None) or copy_context()
    task: asyncio.Task[T] = asyncio.Task(Branch(tasks.droppable(code)), loop=loop, context=context, **options)
    if not (in_work.get() or running_task() is None or _has_place(code)):
        _name_branch(task, context)
    tasks.began(task, context)
    return task


def _has_place(code: Code[Any]) -> bool:
    """Tell whether code is an act, or what a service of the context makes of one: its place was taken when it was called."""
    frame: FrameType | None = getattr(code, "cr_frame", None)
    return frame is not None and str(frame.f_globals.get("__name__")).startswith(_PLACED)


def _name_branch(task: asyncio.Task[Any], context: Context) -> None:
    """Name the branch of the run that a task is, when it is made: what it awaits before it acts may end in any order.

    What the loop makes by itself, to close a generator that nobody needs any more, is named when it acts: nobody knows
    when it is made, and of which run the generator was.
    """
    if (places := context_or_none()) is not None:
        context.run(enter_branch, places.next_branch(), task)


@contextmanager
def counted(tasks: RunTasks, *, work: bool = False) -> Generator[None]:
    """Count the tasks that are started inside the block, whose code may all be `work`."""
    _see_to_tasks()
    tasks.runs_in(asyncio.current_task())
    token, outer = _tasks.set(tasks), in_work.set(work)
    try:
        yield
    finally:
        in_work.reset(outer)
        _tasks.reset(token)


@contextmanager
def in_call() -> Generator[None]:
    """Contain what the tasks raise that are started inside the block, by the code of a call that is no run of its own."""
    _see_to_tasks()
    token = _in_call.set(True)
    try:
        yield
    finally:
        _in_call.reset(token)


def _see_to_tasks() -> None:
    loop = asyncio.get_running_loop()
    if loop.get_task_factory() is not _make:
        loop.set_task_factory(_make)


def outside(code: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
    """Start a task that is no part of any run's code."""
    return Context().run(asyncio.get_running_loop().create_task, code, name=name)
