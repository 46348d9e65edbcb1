"""Showing: what a run lets others see of what it does while it does it."""

from types import TracebackType
from typing import Any, Protocol, Self


class Show(Protocol):
    """Shows things in their order to whoever watches the run, beside the code that goes on meanwhile.

    It is an async context manager: at its end, all that was put is shown.
    """

    def put(self, index: int, value: Any, *, piece: int | None = None) -> None:
        """Show a thing.

        Args:
            index: Its number, from 0; shown again it is the same.
            value: JSON.
            piece: Of a piece of the thing that will have this number, which it is; it may get lost.
        """
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
