"""Has the code of a run hear that the run is to end: at the same point of its history in every replay."""

import asyncio
from collections.abc import Callable

from towpath.engine.history import History
from towpath.engine.tasks import outside
from towpath.engine.turns import Turns


class Cancelling:
    """Cancels the task that runs the code, cooperatively, once.

    Attributes:
        told: Whether the code has heard.
    """

    def __init__(self, history: History, turns: Turns, on_told: Callable[[], None]) -> None:
        self.told = False
        self._history = history
        self._turns = turns
        self._on_told = on_told
        self._code: asyncio.Task[object] | None = None
        self._telling: asyncio.Task[None] | None = None

    @property
    def pending(self) -> bool:
        """Whether the journal says that the run is to end, and the code has not heard."""
        return self._history.incoming.cancelling is not None and not self.told

    def runs_as(self, code: "asyncio.Task[object]") -> None:
        """Say which task runs the code."""
        self._code = code
        self.tell()

    def tell(self) -> None:
        """Tell the code, if there is something to tell."""
        if self._history.incoming.cancelling is not None and self._code is not None and self._telling is None:
            number, _ = self._history.incoming.cancelling
            self._turns.hold_behind(number)
            self._telling = outside(self._tell(self._code, number), "cancelling")

    async def _tell(self, code: "asyncio.Task[object]", number: int) -> None:
        """Cancel the code once it was told all that the journal has before the cancellation."""
        await self._turns.turn(number)
        self.told = True
        self._on_told()
        code.cancel()
        self._turns.hold_behind(None)

    def stop(self) -> None:
        """Tell it nothing more."""
        if self._telling is not None:
            self._telling.cancel()
