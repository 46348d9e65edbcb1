"""Callers who work on things at the same time, and write down what they saw."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from towpath.client import Client
from towpath.errors import TowpathError
from towpath_testkit.linearizability.history import Operation
from towpath_testkit.linearizability.things import Asked, Thing

_OPERATIONS_OF_A_KEY = 100
_SENT_TWICE = 0.05


class Callers:
    """Work on `each` things of every kind at a time; a thing that was worked on a while makes way for a new one.

    Attributes:
        history: What was seen, by kind.
        contradictions: Calls that were sent twice and had two different outputs.
        done: How many operations have ended.
    """

    def __init__(
        self, client: Client, things: Sequence[Thing], *, each: int, seed: int, within_s: float
    ) -> None:
        self.history: dict[str, list[Operation]] = {thing.name: [] for thing in things}
        self.contradictions: list[tuple[Asked, list[Any]]] = []
        self.done = 0
        self._client = client
        self._things = things
        self._each = each
        self._chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
        self._within_s = within_s
        self._begun: Counter[str] = Counter()
        self._newest: dict[str, Any] = {}

    @property
    def open(self) -> int:
        """Of how many operations nobody knows how they ended."""
        return sum(operation.is_open for history in self.history.values() for operation in history)

    async def work(self, operations: int, *, callers: int) -> None:
        """Do as many operations as that, one after the other for each of the callers."""
        left = iter(range(operations))

        async def caller() -> None:
            for _ in left:
                await self._operate()

        await asyncio.gather(*(caller() for _ in range(callers)))

    async def _operate(self) -> None:
        thing = self._chance.choice(self._things)
        asked = thing.choose(self._chance, self._key(thing), self._newest)
        called = time.perf_counter()
        outputs = await self._sent(thing, asked)
        returned = time.perf_counter()
        self.done += 1
        if any(output != outputs[0] for output in outputs):
            self.contradictions.append((asked, outputs))
        if outputs:
            self._newest[asked.key] = asked.arguments[-1] if asked.name == "write" else outputs[0]
            ended = Operation(asked.key, asked.name, asked.arguments, outputs[0], called, returned)
            self.history[thing.name].append(ended)
        elif not asked.only_reads:
            self.history[thing.name].append(Operation(asked.key, asked.name, asked.arguments, None, called))

    async def _sent(self, thing: Thing, asked: Asked) -> list[Any]:
        """Send a call once or, as somebody does who fears that it got lost, twice; return the outputs that came."""
        times = 2 if self._chance.random() < _SENT_TWICE else 1
        sent = (thing.send(self._client, asked, self._within_s) for _ in range(times))
        outputs: list[Any] = []
        for output in await asyncio.gather(*sent, return_exceptions=True):
            if not isinstance(output, BaseException):
                outputs.append(output)
            elif not isinstance(output, TowpathError | TimeoutError):
                raise output
        return outputs if times == 1 or not asked.only_reads else outputs[:1]

    def _key(self, thing: Thing) -> str:
        place = f"{thing.name}-{self._chance.randrange(self._each)}"
        self._begun[place] += 1
        return f"{place}-{self._begun[place] // _OPERATIONS_OF_A_KEY}"
