# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""The one door to Redis: what is asked at the same time travels together, and a lost server is noticed once."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

from towpath_chassis.tasks import background

log = structlog.get_logger(__name__)

_LOOK_AGAIN_S = 0.2
_LARGEST_BATCH = 256

Argument = str | bytes | int | float


class RedisFailedError(Exception):
    """Redis did not do what it was asked, or is not there to say."""


class Script(NamedTuple):
    """A Lua script; Redis runs it as one step."""

    text: str
    digest: str

    @classmethod
    def of(cls, text: str) -> "Script":
        """Name a script by its digest, as Redis does."""
        return cls(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


class _Asked(NamedTuple):
    command: tuple[Argument, ...]
    answer: asyncio.Future[Any]


class RedisDoor:
    """Asks Redis; made by `redis_door`.

    While Redis is lost every question fails at once, so that nobody waits for what is only a copy.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._waiting: list[_Asked] = []
        self._stirred = asyncio.Event()
        self.available = True
        self.losses = 0

    async def run(self, script: Script, keys: Sequence[str], arguments: Sequence[Argument]) -> Any:
        """Run a script.

        Raises:
            RedisFailedError: If Redis is lost or refused; the script may have run.
        """
        given = (len(keys), *keys, *arguments)
        try:
            return await self._ask("EVALSHA", script.digest, *given)
        except NoScriptError:  # a new or restarted server
            return await self.ask("EVAL", script.text, *given)

    async def ask(self, *command: Argument) -> Any:
        """Give one command.

        Raises:
            RedisFailedError: If Redis is lost or refused.
        """
        try:
            return await self._ask(*command)
        except NoScriptError as error:
            raise RedisFailedError(str(error)) from error

    async def _ask(self, *command: Argument) -> Any:
        if not self.available:
            raise RedisFailedError("Redis is lost")
        asked = _Asked(command, asyncio.get_running_loop().create_future())
        self._waiting.append(asked)
        self._stirred.set()
        answer = await asked.answer
        if isinstance(answer, NoScriptError):
            raise answer
        if isinstance(answer, Exception):
            raise RedisFailedError(str(answer)) from answer
        return answer

    async def serve(self) -> None:
        """Carry questions to Redis, for ever."""
        while True:
            await self._stirred.wait()
            batch, self._waiting = self._waiting[:_LARGEST_BATCH], self._waiting[_LARGEST_BATCH:]
            if not self._waiting:
                self._stirred.clear()
            _tell(batch, await self._carried(batch))
            if not self.available:
                _tell(self._waiting, [RedisFailedError("Redis is lost")] * len(self._waiting))
                self._waiting = []
                await self._until_back()

    async def _carried(self, batch: list[_Asked]) -> list[Any]:
        pipeline = self._redis.pipeline(transaction=False)
        for asked in batch:
            pipeline.execute_command(*asked.command)
        try:
            return await pipeline.execute(raise_on_error=False)
        except (RedisError, OSError) as error:
            self.available, self.losses = False, self.losses + 1
            log.warning("redis is lost", reason=str(error))
            return [error] * len(batch)

    async def _until_back(self) -> None:
        while not self.available:
            await asyncio.sleep(_LOOK_AGAIN_S)
            with suppress(RedisError, OSError):
                await self._redis.ping()
                self.available = True
        log.info("redis is back")


def _tell(batch: list[_Asked], answers: list[Any]) -> None:
    for asked, answer in zip(batch, answers, strict=True):
        if not asked.answer.done():
            asked.answer.set_result(answer)


@asynccontextmanager
async def redis_door(url: str, *, within_s: float) -> AsyncGenerator[RedisDoor]:
    """Connect to Redis until the end of the block.

    Raises:
        ConnectionError: If Redis does not answer.
    """
    retry = Retry(NoBackoff(), 1)  # a connection that the server closed in the meantime is opened again
    async with Redis.from_url(
        url, socket_timeout=within_s, socket_connect_timeout=within_s, retry=retry, driver_info=None
    ) as redis:
        try:
            await redis.ping()
        except (RedisError, OSError) as error:
            raise ConnectionError(f"Redis at {_without_secrets(url)} does not answer: {error}") from error
        door = RedisDoor(redis)
        async with background(door.serve, name="redis"):
            yield door


def _without_secrets(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
