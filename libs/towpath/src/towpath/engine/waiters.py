"""Knows which code of a run waits for which of its calls: several pieces may wait for one."""

import asyncio
from collections.abc import Set as AbstractSet

from towpath_schemas.journal import CallSettled

Waiter = asyncio.Future[CallSettled]


class Waiters:
    """The code of one run that waits, by the keys of what it waits for."""

    def __init__(self) -> None:
        self._by_key: dict[str, list[Waiter]] = {}

    @property
    def keys(self) -> AbstractSet[str]:
        """Keys of the calls that are waited for, the one that was first waited for first."""
        return self._by_key.keys()

    def __bool__(self) -> bool:
        return bool(self._by_key)

    def add(self, key: str) -> Waiter:
        """Begin to wait for a call."""
        waiter: Waiter = asyncio.get_running_loop().create_future()
        self._by_key.setdefault(key, []).append(waiter)
        return waiter

    def remove(self, key: str, waiter: Waiter) -> None:
        """Wait no more, if it is waited still."""
        waiting = self._by_key.get(key, [])
        if waiter in waiting:
            waiting.remove(waiter)
            if not waiting:
                del self._by_key[key]

    def tell(self, settled: CallSettled) -> None:
        """Have all code go on that waits for this."""
        for waiter in self._by_key.get(settled.key, ()):
            if not waiter.done():
                waiter.set_result(settled)
