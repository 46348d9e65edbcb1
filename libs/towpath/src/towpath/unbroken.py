"""Chunks of text that are handed on as they are, and hold no secret together."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from towpath.secrecy import secret_in, secret_may_begin_at
from towpath.values import secret_refused


async def unbroken(chunks: AsyncGenerator[Any], name: str) -> AsyncGenerator[Any]:
    """Yield chunks; a text in whose end a secret may begin waits until the next chunk shows whether it does.

    Args:
        chunks: What is yielded; closed with this.
        name: Of what yields them, for errors.

    Raises:
        NotSerialisableError: If texts that follow each other hold a secret.
    """
    held = HeldTexts(name)
    async with aclosing(chunks):
        try:
            async for chunk in chunks:
                for decided in held.next(chunk):
                    yield decided
        except Exception:
            for decided in held.rest():
                yield decided
            raise
        for decided in held.rest():
            yield decided


class HeldTexts:
    """Holds texts until it is known that no secret begins in them which the next ones complete.

    Text within chunks of another kind is not put together: nobody knows that it belongs together.

    Args:
        name: Of what yields them, for errors.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._index = 0
        self._held: list[str] = []

    def next(self, chunk: Any) -> list[Any]:
        """Take in a chunk, and return those that are held no longer.

        Raises:
            NotSerialisableError: If it completes a secret; what holds a part of that is dropped.
        """
        self._index += 1
        if not isinstance(chunk, str):
            return [*self.rest(), chunk]
        self._held.append(chunk)
        text = "".join(self._held)
        if (secret := secret_in(text)) is not None:
            dropped = self.rest()
            first, last = self._index - len(dropped), self._index - 1
            raise secret_refused(f"{self._name}, chunks {first} to {last}: together they hold", secret)
        return self._released(self._ended_by(secret_may_begin_at(text)))

    def rest(self) -> list[str]:
        """Return what is held: nothing comes behind it."""
        return self._released(len(self._held))

    def _ended_by(self, place: int) -> int:
        """Count the texts that end by a place in them all together."""
        count = ended_at = 0
        for text in self._held:
            ended_at += len(text)
            if ended_at > place:
                break
            count += 1
        return count

    def _released(self, count: int) -> list[str]:
        released, self._held = self._held[:count], self._held[count:]
        return released
