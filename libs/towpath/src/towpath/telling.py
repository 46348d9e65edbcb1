"""Tells what a component streams, whose attempts may say different things."""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

from pydantic_core import to_json

from towpath.components import TellChunk
from towpath.values import to_json_value

TellOf = Callable[[int, Any, int], Awaitable[None]]
"""Tells a chunk's number, from 0, the chunk, and in which attempt it was said."""


class Telling:
    """Tells the chunks of one component, each once, however often it is tried.

    What an attempt repeats of what was told is not told again. From its first chunk that differs, it is told as what
    this attempt said: that takes the place of the chunk which had its number, and of all behind it.

    Args:
        tell: Tells a chunk.
        first: The attempt that is made first here; what those before it have told elsewhere it tells anew.
    """

    def __init__(self, tell: TellOf, first: int = 1) -> None:
        self._tell = tell
        self._told: list[bytes] = []
        self._attempt = first

    def of(self, attempt: int) -> TellChunk:
        """Tell the chunks of an attempt, from 1."""

        async def tell(index: int, chunk: Any) -> None:
            said = hashlib.sha256(to_json(to_json_value(chunk))).digest()
            if self._told[index : index + 1] == [said]:
                return
            if index < len(self._told):
                del self._told[index:]
                self._attempt = attempt
            await self._tell(index, chunk, self._attempt)
            self._told.append(said)

        return tell
