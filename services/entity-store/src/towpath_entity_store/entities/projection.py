"""Redis's copy of each entity: never set backwards, never trusted unread, and written anew where it lags."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from towpath_chassis.errors import BrokerError
from towpath_entity_store.entities.entity import Entity
from towpath_entity_store.entities.names import EntityName
from towpath_entity_store.entities.values import from_json, to_json
from towpath_entity_store.redis_door import Argument, RedisDoor, RedisFailedError, Script
from towpath_schemas.entities import EntityCommitted
from towpath_schemas.subjects import token

log = structlog.get_logger(__name__)

_LOOK_AGAIN_S = 0.5
_NUMBER = "number"
_VALUE = "="
_AHEAD, _BEHIND = b"ahead", b"behind"

# KEYS: the entity. ARGV: the record's number, "next" or "whole", count of values, name, value, ..., deleted names.
_WRITE = Script.of("""
local number, mode, count = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])
local have = tonumber(redis.call('HGET', KEYS[1], 'number') or '0')
if have >= number then return 'ahead' end
if mode == 'whole' then redis.call('DEL', KEYS[1]) elseif have ~= number - 1 then return 'behind' end
redis.call('HSET', KEYS[1], 'number', ARGV[1])
for at = 4, 2 + 2 * count, 2 do redis.call('HSET', KEYS[1], ARGV[at], ARGV[at + 1]) end
for at = 4 + 2 * count, #ARGV do redis.call('HDEL', KEYS[1], ARGV[at]) end
return 'written'
""")


class Projection:
    """Writes and reads the copies; `prefix` names the log that they are copies of."""

    def __init__(self, redis: RedisDoor, prefix: str) -> None:
        self._redis = redis
        self._prefix = prefix
        self._lagging: dict[EntityName, None] = {}

    async def write(self, name: EntityName, record: EntityCommitted, entity: Entity) -> None:
        """Bring the copy from the record before `record` to it; `entity` is what it makes.

        Never fails: what Redis does not take now is made up for when it can.
        """
        try:
            said = await self._write(name, record.number, "next", record.values, record.deleted)
            if said == _BEHIND:
                await self.replace(name, entity)
        except RedisFailedError:
            self._lagging[name] = None

    async def replace(self, name: EntityName, entity: Entity) -> None:
        """Write the whole state.

        Raises:
            RedisFailedError: If Redis does not take it.
        """
        await self._write(name, entity.number, "whole", entity.state, ())

    async def state(self, name: EntityName, number: int) -> dict[str, Any] | None:
        """Read the state after record `number`; None where the copy is of another, or Redis is lost."""
        try:
            found: dict[bytes, bytes] = await self._redis.ask("HGETALL", self._key(name))
        except RedisFailedError:
            return None
        if found.pop(_NUMBER.encode(), None) != str(number).encode():
            return None
        return {field.decode().removeprefix(_VALUE): from_json(value) for field, value in found.items()}

    async def catch_up(self, load: Callable[[EntityName], Awaitable[Entity]]) -> None:
        """Write anew, for ever, what Redis could not take."""
        while True:
            await asyncio.sleep(_LOOK_AGAIN_S)
            try:
                for name in list(self._lagging) if self._redis.available else ():
                    await self.replace(name, await load(name))
                    del self._lagging[name]
            except (RedisFailedError, BrokerError) as error:
                log.info("copies lag behind", entities=len(self._lagging), reason=str(error))

    async def _write(
        self, name: EntityName, number: int, mode: str, values: dict[str, Any], deleted: tuple[str, ...]
    ) -> bytes:
        arguments: list[Argument] = [number, mode, len(values)]
        for field, value in values.items():
            arguments += (_VALUE + field, to_json(value))
        arguments += (_VALUE + field for field in deleted)
        return await self._redis.run(_WRITE, [self._key(name)], arguments)

    def _key(self, name: EntityName) -> str:
        return f"{self._prefix}entity:{token(name.entity_type)}:{token(name.key)}"
