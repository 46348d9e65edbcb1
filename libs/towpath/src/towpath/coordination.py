"""What a run waits for besides calls: signals, people, other runs. The words of it; contexts implement them."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal, Protocol, Self

Join = Literal["detached", "cancel", "required"]
"""What becomes of a child whose parent ends: it goes on, it is cancelled, or the parent waits for it."""


class Unset:
    """Stands for a default that was not given, where None is a value."""

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset()


@dataclass(frozen=True, slots=True)
class Approval:
    """How a person decided, or that nobody did in time.

    Attributes:
        approver: Who decided; None if nobody did.
        at: When (UTC); None if nobody did.
        comment: What they said about it.
    """

    decision: Literal["approved", "rejected", "expired"]
    approver: str | None = None
    at: datetime | None = None
    comment: str | None = None

    @property
    def approved(self) -> bool:
        """Whether somebody agreed."""
        return self.decision == "approved"


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


class _Waits(Protocol):
    """What a context does for the two objects below."""

    def wait_signal(
        self, name: str, *, timeout_s: float | None, default: Any, key: str | None
    ) -> Coroutine[Any, Any, Any]: ...

    def emit_signal(self, name: str, payload: Any, run_id: str | None) -> Coroutine[Any, Any, None]: ...

    def request_approval(
        self, name: str, payload: Any, *, timeout_s: float | None, roles: tuple[str, ...], key: str | None
    ) -> Coroutine[Any, Any, Approval]: ...


class Signals:
    """`ctx.signal`: call it to wait for a signal; `emit` sends one."""

    def __init__(self, context: _Waits) -> None:
        self._context = context

    def __call__(
        self,
        name: str,
        timeout_ms: float | None = None,
        default: Any = UNSET,
        *,
        key: str | None = None,
    ) -> Coroutine[Any, Any, Any]:
        """Wait for a signal of this name; the earliest that nobody has waited for yet counts.

        Args:
            name: The signal's name.
            timeout_ms: Milliseconds to wait at the most; None for ever.
            default: Returned where nothing came in time.
            key: Identity in place of the ordinal.

        Returns:
            Its payload.

        Raises:
            SignalTimeoutError: If nothing came in time and there is no default.
        """
        return self._context.wait_signal(name, timeout_s=_seconds(timeout_ms), default=default, key=key)

    def emit(self, name: str, payload: Any = None, run_id: str | None = None) -> Coroutine[Any, Any, None]:
        """Send a signal: to one run, where it is kept until waited for, or to all of the tenant that wait for it."""
        return self._context.emit_signal(name, payload, run_id)


class Human:
    """`ctx.human`: ask people."""

    def __init__(self, context: _Waits) -> None:
        self._context = context

    def approval(
        self,
        name: str,
        payload: Any = None,
        timeout: float | timedelta | None = None,
        required_roles: Sequence[str] = (),
        *,
        timeout_ms: float | None = None,
        key: str | None = None,
    ) -> Coroutine[Any, Any, Approval]:
        """Have somebody decide; the run costs nothing meanwhile.

        Args:
            name: What is to be decided, for people.
            payload: What is approved; the decision is bound to it.
            timeout: Seconds (or a timedelta) until it expires; None for never.
            required_roles: Who may decide: anybody with one of them; anybody at all if there are none.
            timeout_ms: The same as `timeout`, in milliseconds.
            key: Identity in place of the ordinal.
        """
        timeout_s = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
        if timeout_s is None:
            timeout_s = _seconds(timeout_ms)
        roles = tuple(required_roles)
        return self._context.request_approval(name, payload, timeout_s=timeout_s, roles=roles, key=key)


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1_000


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
