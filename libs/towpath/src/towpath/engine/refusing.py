"""Refuses the acts of code that must not go on: its run was let go, has ended, or has diverged.

The code may catch what it is refused with, and act again. It is refused again, so that `finally` blocks within others
end; but each time others may run first, and what acts without end is dropped.
"""

import asyncio
from typing import Any, NoReturn
from weakref import WeakKeyDictionary

from towpath.dropping import dropped

_OFTEN = 100


class Refusing:
    """Refuses the acts of one run's code.

    Attributes:
        over: Set once nobody waits any longer for the code to end; see `Droppable`.
    """

    def __init__(self) -> None:
        self.over = False
        self._refused: WeakKeyDictionary[asyncio.Task[Any], int] = WeakKeyDictionary()

    def give_up(self) -> None:
        """Wait no longer for the code to end."""
        self.over = True

    async def refuse(self, reason: BaseException) -> NoReturn:
        """End the code that acts here.

        Raises:
            BaseException: The reason.
        """
        await asyncio.sleep(0)
        if (task := asyncio.current_task()) is not None:
            times = self._refused[task] = self._refused.get(task, 0) + 1
            if times > _OFTEN:
                await dropped()
        raise reason
