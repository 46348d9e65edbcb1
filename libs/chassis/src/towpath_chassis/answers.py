"""What one connection has asked and waits for: all answers come to one inbox, each to a subject of its own there.

So a question costs no subscription and no timer of its own, and thousands may be open at once.
"""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from nats.aio.msg import Msg

_SWEEP_S = 0.25

Take = Callable[[Msg | None], None]
"""Is given each answer; None where none will come (any more)."""


class _Waiting(NamedTuple):
    deadline: float
    take: Take


class Answers:
    """The open questions of one connection, by the subjects that their answers come to."""

    def __init__(self, inbox: str) -> None:
        self.subjects = f"{inbox}.*"
        self._inbox = inbox
        self._waiting: dict[str, _Waiting] = {}
        self._counter = 0
        self._loop = asyncio.get_running_loop()

    def expect(self, take: Take, within_s: float) -> str:
        """Begin to wait for answers, of which the first comes within `within_s` seconds; tell where to send them."""
        self._counter += 1
        reply = f"{self._inbox}.{self._counter}"
        self._waiting[reply] = _Waiting(self._loop.time() + within_s, take)
        return reply

    def expect_more(self, reply: str, take: Take, within_s: float) -> None:
        """Wait on, for another `within_s` seconds, for answers that are sent there."""
        self._waiting[reply] = _Waiting(self._loop.time() + within_s, take)

    def drop(self, reply: str) -> None:
        """Wait no more."""
        self._waiting.pop(reply, None)

    async def heard(self, answer: Msg) -> None:
        """Take what came to the inbox."""
        waiting = self._waiting.get(answer.subject)
        if waiting is not None:
            waiting.take(answer)

    async def sweep(self) -> None:
        """Tell, for ever, those whose answer is overdue that none will come."""
        while True:
            await asyncio.sleep(_SWEEP_S)
            self.give_up(before=self._loop.time())

    def give_up(self, *, before: float = float("inf")) -> None:
        """Tell those whose deadline is earlier than `before` that no answer will come."""
        for reply, waiting in list(self._waiting.items()):
            if waiting.deadline <= before:
                del self._waiting[reply]
                waiting.take(None)
