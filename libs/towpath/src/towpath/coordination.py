"""What a run does beside its acts, one after the other: other runs, acts at the same time, undoing."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Final, Literal, Self

Join = Literal["detached", "cancel", "required"]
"""What becomes of a child whose parent ends: it goes on, it is cancelled, or the parent waits for it."""


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


async def together(awaitables: Sequence[Awaitable[Any]], *, return_exceptions: bool = False) -> list[Any]:
    """Await all; unless told otherwise, the first failure stops the others and is raised."""
    tasks = [asyncio.ensure_future(one) for one in awaitables]
    try:
        return await asyncio.gather(*tasks, return_exceptions=return_exceptions)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Saga:
    """`ctx.saga()`: remembers how to undo what was done, and undoes it, newest first, if the block fails.

    Each undoing is a step of the run: a crash in the middle goes on with the next one.
    """

    def __init__(self, step: Callable[..., Awaitable[Any]]) -> None:
        self._step = step
        self._undo: list[tuple[str, Any, tuple[Any, ...]]] = []

    def on_failure(self, name: str, work: Any, *arguments: Any) -> None:
        """Remember a compensation: the step `name` of `work`, a function with its arguments."""
        self._undo.append((name, work, arguments))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is not None:
            await self.compensate()

    async def compensate(self) -> None:
        """Undo now what is remembered, newest first; a compensation that fails does not keep the others from it.

        Raises:
            ExceptionGroup: Of what failed.
        """
        errors: list[Exception] = []
        while self._undo:
            name, work, arguments = self._undo.pop()
            try:
                await self._step(name, work, *arguments)
            except Exception as error:  # noqa: BLE001 - the others are to be undone all the same
                errors.append(error)
        if errors:
            raise ExceptionGroup("compensations failed", errors)
