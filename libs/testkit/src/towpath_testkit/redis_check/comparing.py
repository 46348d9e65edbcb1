# pyright: reportUnknownMemberType=false
"""Gives the model of Redis and a real server the same commands, through the client that services use."""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import Any, NamedTuple, cast

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError

from towpath_testkit.redis_check.commands import Command
from towpath_testkit.redis_model import RedisServer, Store
from towpath_testkit.redis_model.server import Session
from towpath_testkit.servers import servers
from towpath_testkit.simulated_network import SimulatedNetwork
from towpath_testkit.virtual_time import VirtualTimeLoop

_MS = 1_000
_NEVER = -1
_A_WHILE_MS = 60_000
_OF_SCRIPTS = {"EVAL", "EVALSHA"}
_EVERY_KEY: Command = ("SCAN", b"0", b"COUNT", b"1000000")
_LOOKS: list[Command] = [
    ("TYPE",),
    ("GET",),
    ("HGETALL",),
    ("ZREVRANGEBYSCORE", b"+inf", b"-inf", b"WITHSCORES", b"LIMIT", b"0", b"-1"),
]


class Refusal(NamedTuple):
    """That a command was refused; `words` say why, except of a script, where they tell of Lua's insides."""

    kind: str
    words: str


class Compared(NamedTuple):
    """What the real server answered to each command, and where the model does not say or keep the same."""

    answers: list[Any]
    differences: list[str]


class _Said(NamedTuple):
    answers: list[Any]
    kept: dict[bytes, list[Any]]
    ends_ms: dict[bytes, float]


class ModelAndServer:
    """The model and a real server, whose time the model has; made by `model_and_server`."""

    def __init__(self, model: RedisServer, ours: Redis, theirs: Redis) -> None:
        self._model = model
        self._ours = ours
        self._theirs = theirs

    async def tell(self, commands: Sequence[Command]) -> Compared:
        """Give both, empty as they are then, the same commands."""
        await self._theirs.execute_command("FLUSHALL")
        await self._theirs.execute_command("SCRIPT FLUSH")
        now_ms = await self._now_ms()
        store = self._model.store = Store(lambda: now_ms)
        ours = _Said(*await _said(self._ours, commands), store.ends_ms)
        answers, kept = await _said(self._theirs, commands)
        theirs = _Said(answers, kept, await self._ends_ms(list(kept)))
        return Compared(answers, list(_differences(commands, ours, theirs)))

    async def _now_ms(self) -> float:
        seconds, micros = cast("tuple[int, int]", await self._theirs.execute_command("TIME"))
        return seconds * _MS + micros / _MS

    async def _ends_ms(self, keys: list[bytes]) -> dict[bytes, float]:
        ends = await _answers(self._theirs, [("PEXPIRETIME", key) for key in keys])
        return {key: end for key, end in zip(keys, ends, strict=True) if end != _NEVER}


def _differences(commands: Sequence[Command], ours: _Said, theirs: _Said) -> Iterator[str]:
    for command, *answers in zip(commands, ours.answers, theirs.answers, strict=True):
        yield from _difference(f"{command} is answered", *answers)
    for key in sorted(ours.kept.keys() | theirs.kept.keys()):
        yield from _difference(f"{key} is", ours.kept.get(key), theirs.kept.get(key))
        ends = ours.ends_ms.get(key, 0), theirs.ends_ms.get(key, 0)
        if abs(ends[0] - ends[1]) > _A_WHILE_MS:
            yield from _difference(f"{key} expires at", *ends)


def _difference(what: str, ours: Any, theirs: Any) -> Iterator[str]:
    if repr(ours) != repr(theirs):  # which tells 0 from False, and from a zero that is negative
        yield f"{what} {ours!r}, and by the server {theirs!r}"


@asynccontextmanager
async def model_and_server() -> AsyncGenerator[ModelAndServer]:
    """Start both, and connect to them."""
    loop = VirtualTimeLoop()
    model = RedisServer(SimulatedNetwork(loop, Random(0)))  # noqa: S311 - nothing is drawn
    loop.close()
    listening = await asyncio.get_running_loop().create_server(lambda: Session(model), "127.0.0.1", 0)
    async with listening, servers(nats=False) as running:
        port = listening.sockets[0].getsockname()[1]
        async with _client(f"redis://127.0.0.1:{port}/0") as ours, _client(running.redis.url) as theirs:
            yield ModelAndServer(model, ours, theirs)


def _client(url: str) -> Redis:
    return Redis.from_url(url, protocol=3, driver_info=None, retry=Retry(NoBackoff(), 0))


async def _said(redis: Redis, commands: Sequence[Command]) -> tuple[list[Any], dict[bytes, list[Any]]]:
    *answers, (_, keys) = await _answers(redis, [*commands, _EVERY_KEY])
    looks = [(name, key, *how) for key in keys for name, *how in _LOOKS]
    found = iter(await _answers(redis, looks))
    return answers, {key: [next(found) for _ in _LOOKS] for key in keys}


async def _answers(redis: Redis, commands: Sequence[Command]) -> list[Any]:
    pipeline = redis.pipeline(transaction=False)
    for command in commands:
        pipeline.execute_command(*command)
    answers = await pipeline.execute(raise_on_error=False)
    return [_shown(command[0], answer) for command, answer in zip(commands, answers, strict=True)]


def _shown(name: str | bytes, answer: Any) -> Any:
    """Show an answer without what a server is free to choose, but with all that a client can tell apart."""
    if isinstance(answer, ResponseError):
        return _refusal(answer, of_script=name in _OF_SCRIPTS)
    if name == "SCAN":
        return answer[0], sorted(answer[1])
    return sorted(answer.items()) if name == "HGETALL" else answer


def _refusal(error: ResponseError, *, of_script: bool) -> Refusal:
    words = str(error)
    kind, *_ = words.split()
    return Refusal(kind if kind.isupper() else type(error).__name__, "" if of_script else words)
