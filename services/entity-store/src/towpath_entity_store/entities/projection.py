"""Redis's copy of each entity: never set backwards, never trusted unread, and written anew where it lags."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal, NamedTuple

import structlog

from towpath_chassis.errors import BrokerError
from towpath_entity_store.entities.entity import Entity
from towpath_entity_store.entities.log import Newest
from towpath_entity_store.entities.seal import mark_of_written, seal_of
from towpath_entity_store.entities.values import from_json, to_json
from towpath_entity_store.redis_door import Argument, RedisDoor, RedisFailedError, Script
from towpath_schemas.entities import EntityCommitted, EntityName
from towpath_schemas.subjects import token

log = structlog.get_logger(__name__)

_LOOK_AGAIN_S = 0.5
_DROPPED_AFTER_S = 60.0
"""Seconds after its expiry, by anybody's clock, when Redis drops the copy of a state."""
_NUMBER = "number"
_SEAL = "seal"
_EXPIRES = "expires"
_VALUE = "="
_BEHIND, _WRITTEN = b"behind", b"written"

# KEYS: the entity. ARGV: the record's number, "next", "whole" or "mend", when it expires ("" for never), when Redis may
# drop it (in milliseconds), the seal, for "mend" the number and the seal of the copy that is to be replaced, count of
# values, name, value, ..., deleted names.
_WRITE = Script.of("""
if redis.call('TYPE', KEYS[1]).ok ~= 'hash' then redis.call('DEL', KEYS[1]) end
local number, mode, count = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[8])
local there = redis.call('HMGET', KEYS[1], 'number', 'seal')
local have = tonumber(there[1] or '0') or 0
if mode == 'mend' then
  if (there[1] or '') ~= ARGV[6] or (there[2] or '') ~= ARGV[7] then return 'ahead' end
elseif have >= number then return 'ahead'
elseif mode == 'next' and have ~= number - 1 then return 'behind' end
if mode ~= 'next' then redis.call('DEL', KEYS[1]) end
redis.call('HSET', KEYS[1], 'number', ARGV[1], 'seal', ARGV[5])
if ARGV[3] == '' then redis.call('HDEL', KEYS[1], 'expires') else redis.call('HSET', KEYS[1], 'expires', ARGV[3]) end
for at = 9, 7 + 2 * count, 2 do redis.call('HSET', KEYS[1], ARGV[at], ARGV[at + 1]) end
for at = 9 + 2 * count, #ARGV do redis.call('HDEL', KEYS[1], ARGV[at]) end
if ARGV[4] == '' then redis.call('PERSIST', KEYS[1]) else redis.call('PEXPIREAT', KEYS[1], ARGV[4]) end
return 'written'
""")


class Copy(NamedTuple):
    """A copy as it stands in Redis, whoever wrote it; all of it empty where there is none."""

    number: bytes = b""
    seal: bytes = b""
    expires: bytes = b""
    values: Mapping[bytes, bytes] = {}

    @classmethod
    def of(cls, fields: dict[bytes, bytes]) -> "Copy":
        """Sort the fields of a hash."""
        number, seal, expires = (fields.pop(name.encode(), b"") for name in (_NUMBER, _SEAL, _EXPIRES))
        values = {name.removeprefix(_VALUE.encode()): value for name, value in fields.items()}
        return cls(number, seal, expires, values)

    @classmethod
    def made_of(cls, entity: Entity) -> "Copy":
        """Write the copy that an entity should have."""
        expires, _ = _until(entity)
        values = {name.encode(): to_json(value) for name, value in entity.state.items()}
        return cls(str(entity.number).encode(), sealed(entity), expires.encode(), values)

    def is_of(self, newest: Newest) -> bool:
        """Tell whether this is the state after that record, and nobody has changed it."""
        if self.number != str(newest.number).encode():
            return False
        mark = mark_of_written(self.values.items())
        expires = self.expires.decode(errors="replace")
        return self.seal == seal_of(mark, number=newest.number, sequence=newest.sequence, expires=expires)

    def state_at(self, now: float) -> dict[str, Any]:
        """Read the state of a copy that is one: empty, once it has expired."""
        if self.expires and float(self.expires) <= now:
            return {}
        return {name.decode(): from_json(value) for name, value in self.values.items()}


_NONE = Copy()


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
            # A snapshot may leave out what has expired; and it is seldom enough to write the whole copy anew with it.
            said = (
                _BEHIND
                if record.snapshot is not None
                else await self._write(name, entity, "next", change=record)
            )
            if said == _BEHIND:
                await self.replace(name, entity)
        except RedisFailedError:
            self._lagging[name] = None

    async def replace(self, name: EntityName, entity: Entity) -> None:
        """Write the whole state.

        Raises:
            RedisFailedError: If Redis does not take it.
        """
        await self._write(name, entity, "whole")

    async def look(self, name: EntityName) -> Copy:
        """Read a copy; it may be of any record, and anything may have become of it.

        Raises:
            RedisFailedError: If Redis is lost.
        """
        try:
            return Copy.of(await self._redis.ask("HGETALL", self._key(name)))
        except RedisFailedError:
            if not self._redis.available:
                raise
            return _NONE  # it is no hash any more

    async def mend(self, name: EntityName, seen: Copy, entity: Entity) -> bool:
        """Write the whole state in place of a copy that is wrong or lags, unless somebody else does; tell whether it did.

        The log must have been read behind the copy: then no copy that is right is ever replaced by an older one.

        Raises:
            RedisFailedError: If Redis does not take it.
        """
        if entity.number == 0:  # its log is gone
            return False
        return await self._write(name, entity, "mend", seen=seen) == _WRITTEN

    async def forget(self, name: EntityName) -> None:
        """Delete the copy of an entity whose log is gone.

        Raises:
            RedisFailedError: If Redis does not do it now.
        """
        self._lagging.pop(name, None)
        await self._redis.ask("DEL", self._key(name))

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
        self,
        name: EntityName,
        entity: Entity,
        mode: Literal["next", "whole", "mend"],
        *,
        change: EntityCommitted | None = None,
        seen: Copy = _NONE,
    ) -> bytes:
        values, deleted = (change.values, change.deleted) if change else (entity.state, ())
        arguments: list[Argument] = [entity.number, mode, *_until(entity), sealed(entity)]
        arguments += (seen.number, seen.seal, len(values))
        for field, value in values.items():
            arguments += (_VALUE + field, to_json(value))
        arguments += (_VALUE + field for field in deleted)
        return await self._redis.run(_WRITE, [self._key(name)], arguments)

    def _key(self, name: EntityName) -> str:
        return f"{self._prefix}entity:{':'.join(map(token, name))}"


def _until(entity: Entity) -> tuple[str, str]:
    """Tell when the state expires, and when Redis may drop the copy of it."""
    if entity.expires_at is None:
        return "", ""
    return repr(entity.expires_at), str(int((entity.expires_at + _DROPPED_AFTER_S) * 1_000))


def sealed(entity: Entity) -> bytes:
    """Tell the seal that a copy of an entity has."""
    expires, _ = _until(entity)
    return seal_of(entity.mark, number=entity.number, sequence=entity.sequence, expires=expires)
