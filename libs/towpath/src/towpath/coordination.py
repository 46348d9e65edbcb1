"""What a run does beside its acts, one after the other: other runs, acts at the same time, undoing."""

import asyncio
import inspect
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, Literal, Self, TypeVar, get_args

from towpath.discarding import discard_given, discard_work
from towpath.errors import CompensationError, ConfigurationError, ContinuedAsNewError
from towpath.groups import ended_by
from towpath.work import check_work

Join = Literal["detached", "cancel", "required"]
"""What becomes of a child whose parent ends: it goes on, it is cancelled, or the parent waits for it.

A parent that is cancelled or fails waits for nothing: then one that is required is cancelled, too.
"""


def check_join(join: object) -> None:
    """Refuse what is no `Join`.

    Raises:
        ConfigurationError: If it is none.
    """
    if join not in get_args(Join):
        agreed = ", ".join(map(repr, get_args(Join)))
        raise ConfigurationError(f"join={join!r} is none of {agreed}; write one of these")


T = TypeVar("T")


async def ended_behind(others: Callable[[], Awaitable[None]], code: Awaitable[T]) -> T:
    """Await code, and then others; where it has failed, which to go on as a new run is not, they are not waited for."""
    try:
        result = await code
    except ContinuedAsNewError:
        await others()
        raise
    await others()
    return result


class Unset:
    """Stands for a default that was not given, where None is a value."""

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset()


class ChildHandle(ABC):
    """A child run, from its parent's side.

    Attributes:
        run_id: Its id.
    """

    run_id: str

    @abstractmethod
    def result(self) -> Coroutine[Any, Any, Any]:
        """Wait for its result, however long either process lives.

        Raises:
            ComponentError: If it failed, or was cancelled.
        """

    @abstractmethod
    async def cancel(self, reason: str | None = None) -> None:
        """Ask it to end; it may clean up first."""


def check_acts(
    method: str, acts: Sequence[object], named: Mapping[str, object] = MappingProxyType({})
) -> None:
    """Refuse what cannot be awaited together, before anything begins; what could be is discarded then.

    Args:
        method: What the program calls.
        acts: What it gives in an order.
        named: What it gives by name.

    Raises:
        ConfigurationError: If something is no act, or there are some in an order and others by name.
    """
    given = {**{f"argument {place}": one for place, one in enumerate(acts, start=1)}, **named}
    wrong = next((one for one in given.items() if not inspect.isawaitable(one[1])), None)
    if wrong is None and not (acts and named):
        return
    for one in given.values():
        discard_work(one) if inspect.isawaitable(one) else discard_given(one)
    raise ConfigurationError(
        f"{method} takes acts, or acts by name, not both" if wrong is None else _no_act(method, *wrong)
    )


def _no_act(method: str, place: str, value: object) -> str:
    kind = type(value).__name__
    if isinstance(value, Mapping):
        return f"{method} was given a {kind}; spread it: ctx.gather(**acts)"
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return f"{method} was given a {kind}; spread the {kind}: {method}(*acts)"
    return (
        f"{method} cannot await {place}, of type {kind}; give it acts, such as ctx.step(...) or ctx.task(...)"
    )


async def together(awaitables: Sequence[Awaitable[Any]], *, return_exceptions: bool = False) -> list[Any]:
    """Await all; unless told otherwise, the first failure stops the others and is raised."""
    tasks = [asyncio.ensure_future(one) for one in awaitables]
    try:
        return await asyncio.gather(*tasks, return_exceptions=return_exceptions)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def to_its_end(act: Awaitable[Any], dropped: Callable[[], bool]) -> asyncio.CancelledError | None:
    """Await an act to its end, though whoever awaits it is cancelled; what it raises is raised.

    Args:
        act: What is awaited, in a task of its own.
        dropped: Tells whether a cancellation means that nothing more may be done here.

    Returns:
        The cancellation to be raised later, if there was one.
    """
    acting = asyncio.ensure_future(act)
    cancelled: asyncio.CancelledError | None = None
    while not acting.done():
        try:
            await asyncio.wait({acting})
        except asyncio.CancelledError as error:
            cancelled = error
            if dropped():
                acting.cancel()
    acting.result()
    return cancelled


class Saga:
    """`ctx.saga()`: remembers how to undo what was done, and undoes it, newest first, if the block fails.

    Each undoing is a step of the run: a crash in the middle goes on with the next one. Once begun, all of it is done
    before the run hears that it is cancelled. A run that continues as new has not failed.

    Args:
        step: Does a step of the run.
        dropped: Tells whether the code is only dropped from memory: somebody goes on with the run.
    """

    def __init__(self, step: Callable[..., Awaitable[Any]], dropped: Callable[[], bool]) -> None:
        self._step = step
        self._dropped = dropped
        self._undo: list[tuple[str, Any, tuple[Any, ...]]] = []

    def on_failure(self, name: str, work: Any, *arguments: Any) -> None:
        """Remember a compensation: the step `name` of `work`, a function with its arguments.

        Raises:
            ConfigurationError: If the name is none.
            TypeError: If `work` is a plain value, whose side effect has happened already; see `Context.step`.
        """
        check_work(name, work, arguments)
        self._undo.append((name, work, arguments))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is None or isinstance(ended_by(error), ContinuedAsNewError):
            return
        await self._compensate(error)

    async def compensate(self) -> None:
        """Undo now what is remembered, newest first; a compensation that fails does not keep the others from it.

        Raises:
            CompensationError: If not all could be undone.
        """
        await self._compensate(None)

    async def _compensate(self, reason: BaseException | None) -> None:
        """Undo all, because of `reason`, and raise what is to be heard beside that or in its place."""
        failures: dict[str, Exception] = {}
        cancelled = reason if isinstance(reason, asyncio.CancelledError) else None
        while self._undo:
            name, work, arguments = self._undo.pop()
            try:
                cancelled = await to_its_end(self._step(name, work, *arguments), self._dropped) or cancelled
            except Exception as error:  # noqa: BLE001 - the others are to be undone all the same
                failures[name] = error
        if failures:
            _complain(reason, failures, cancelled)
        if cancelled is not None and cancelled is not reason:
            raise cancelled


def _complain(
    reason: BaseException | None, failures: dict[str, Exception], cancelled: asyncio.CancelledError | None
) -> None:
    """Say what was not undone: as an error of its own, or as a note where the code ends for another reason."""
    missed = CompensationError(reason, failures)
    if cancelled is None and (reason is None or isinstance(reason, Exception)):
        raise missed from reason
    (cancelled or reason or missed).add_note(missed.missing)
