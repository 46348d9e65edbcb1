"""The index of runs in Redis: a hash for each run, and lists of runs by time: all, and those of each status, tenant, ..."""

from typing import Literal, cast

from towpath_entity_store.redis_door import RedisDoor, Script
from towpath_entity_store.runs.changes import Change

_FLUSHED = b"flushed"
_OF_RUNS = ("run:", "open:", "closed:", "purged:")
_SCANNED = 1_000

Standing = Literal["missing", "building", "ready"]

# KEYS: the index's own mark; of the run: what is known, what it waits for, what it waited for, when it was forgotten.
# ARGV: prefix, run id, sequence, part, place, sets, and the part's fields. See `changes` for what they mean.
_FOLD = Script.of("""
if redis.call('EXISTS', KEYS[1]) == 0 then return 'flushed' end
local run, open, closed, purged = KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local prefix, id, sequence, part, place, sets = unpack(ARGV, 1, 6)

local function leave(wait)
  if not wait then return end
  wait = cjson.decode(wait)
  for _, set in ipairs(wait.sets) do redis.call('ZREM', prefix .. set, wait.member or id) end
end

local function leave_all()
  for _, wait in ipairs(redis.call('HVALS', open)) do leave(wait) end
  redis.call('DEL', open, closed)
end

local function is_over() return redis.call('HEXISTS', run, 'finished_at') == 1 end

local gone = redis.call('GET', purged)
if gone and tonumber(sequence) <= tonumber(gone) then return 'folded' end
if part == 'purged' then
  redis.call('SET', purged, sequence, 'EX', 86400)
  local origin = redis.call('HGET', run, 'newest_origin')
  if origin and tonumber(origin) > tonumber(sequence) then return 'folded' end
  leave_all()
  for _, set in ipairs(cjson.decode(redis.call('HGET', run, 'sets') or '[]')) do
    redis.call('ZREM', prefix .. set, id)
  end
  local shown, tenant = unpack(redis.call('HMGET', run, 'shown', 'tenant'))
  if shown then
    redis.call('ZREM', prefix .. 'status:["' .. shown .. '"]', id)
    redis.call('ZREM', prefix .. 'status:["' .. shown .. '",' .. tenant .. ']', id)
  end
  redis.call('ZREM', prefix .. 'ended', id)
  redis.call('DEL', run)
  return 'folded'
elseif part == 'open' then
  if is_over() or redis.call('HEXISTS', closed, place) == 1 then return 'folded' end
  redis.call('HSET', open, place, sets)
elseif part == 'closed' then
  if is_over() then return 'folded' end
  redis.call('HSET', closed, place, '')
  leave(redis.call('HGET', open, place))
  redis.call('HDEL', open, place)
else
  local known = redis.call('HGET', run, 'newest_' .. part)
  if known and tonumber(sequence) <= tonumber(known) then return 'folded' end
  redis.call('HSET', run, 'newest_' .. part, sequence, unpack(ARGV, 7))
end

if is_over() then
  leave_all()
  redis.call('ZADD', prefix .. 'ended', redis.call('HGET', run, 'finished_at'), id)
end
local created = redis.call('HGET', run, 'created_at')
if not created then return 'folded' end

if part == 'origin' then
  redis.call('HSET', run, 'sets', sets)
  for _, set in ipairs(cjson.decode(sets)) do redis.call('ZADD', prefix .. set, created, id) end
end
local waits = redis.call('HGETALL', open)
local keys = {}
for at = 1, #waits, 2 do
  keys[#keys + 1] = waits[at]
  local wait = cjson.decode(waits[at + 1])
  for _, set in ipairs(wait.sets) do
    redis.call('ZADD', prefix .. set, wait.at or created, wait.member or id)
  end
end
table.sort(keys) -- a hash has no order
redis.call('HSET', run, 'waits', #keys > 0 and cjson.encode(keys) or '')

local before = redis.call('HGET', run, 'shown')
local shown = redis.call('HGET', run, 'status') or 'accepted'
if redis.call('HGET', run, 'paused') == '1' and not is_over() then shown = 'paused' end
if shown ~= before then
  local everywhere, there = prefix .. 'status:["', '",' .. redis.call('HGET', run, 'tenant') .. ']'
  if before then redis.call('ZREM', everywhere .. before .. '"]', id) end
  if before then redis.call('ZREM', everywhere .. before .. there, id) end
  redis.call('ZADD', everywhere .. shown .. '"]', created, id)
  redis.call('ZADD', everywhere .. shown .. there, created, id)
  redis.call('HSET', run, 'shown', shown)
end
return 'folded'
""")


# KEYS: the index's own mark, the mark of who empties it. ARGV: for how long, in milliseconds.
_BEGIN = Script.of("""
if redis.call('EXISTS', KEYS[1], KEYS[2]) > 0 then return 0 end
redis.call('SET', KEYS[1], 'building', 'PX', ARGV[1])
return 1
""")

# KEYS: the index's own mark.
_LEAVE = Script.of("""
if redis.call('GET', KEYS[1]) == 'building' then redis.call('DEL', KEYS[1]) end
return 1
""")


class IndexFlushedError(Exception):
    """Redis was emptied: the index must be built again."""


class RunsIndex:
    """Takes changes in; `prefix` names the audit stream that it is an index of."""

    def __init__(self, redis: RedisDoor, prefix: str) -> None:
        self.redis = redis
        self._prefix = f"{prefix}runs:"
        self._mark = f"{self._prefix}standing"
        self._emptied = f"{self._prefix}emptied"

    def key(self, name: str) -> str:
        """Name a key of the index in Redis: a list, or what is known of a run."""
        return f"{self._prefix}{name}"

    def run(self, run_id: str) -> str:
        """Name the key of what is known of a run."""
        return self.key(f"run:{run_id}")

    async def fold(self, change: Change) -> None:
        """Take a change in.

        Raises:
            IndexFlushedError: If the index must be built first.
            RedisFailedError: If Redis does not take it.
        """
        run_id = change.run_id
        of_run = (self.key(f"{of}:{run_id}") for of in ("open", "closed", "purged"))
        keys = [self._mark, self.run(run_id), *of_run]
        told = (self._prefix, run_id, change.sequence, change.part, change.place, change.sets, *change.told)
        if await self.redis.run(_FOLD, keys, told) == _FLUSHED:
            raise IndexFlushedError

    async def standing(self) -> Standing:
        """Tell whether the index is there.

        Raises:
            RedisFailedError: If Redis is lost.
        """
        said = cast("bytes | None", await self.redis.ask("GET", self._mark))
        return "missing" if said is None else "building" if said == b"building" else "ready"

    async def begin_building(self, for_s: float) -> bool:
        """Become the one who builds the index, for a while; False where somebody else does."""
        marks = [self._mark, self._emptied]
        return await self.redis.run(_BEGIN, marks, [int(for_s * 1_000)]) == 1

    async def empty(self, for_s: float) -> None:
        """Delete all of the index; while that goes on, for `for_s` seconds at the most, nobody builds it.

        What is known of runs goes first, so that whoever is interrupted leaves nothing that would not be built again.

        Raises:
            RedisFailedError: If Redis is lost.
        """
        await self.redis.ask("SET", self._emptied, "", "PX", int(for_s * 1_000))
        await self.redis.ask("DEL", self._mark)
        for of in (*_OF_RUNS, ""):
            await self._delete(f"{self.key(of)}*", for_s)
        await self.redis.ask("DEL", self._emptied)

    async def _delete(self, pattern: str, for_s: float) -> None:
        cursor: bytes | int = 0
        while True:
            cursor, found = await self.redis.ask("SCAN", cursor, "MATCH", pattern, "COUNT", _SCANNED)
            if chosen := [key for key in found if key != self._emptied.encode()]:
                await self.redis.ask("UNLINK", *chosen)
            await self.redis.ask("PEXPIRE", self._emptied, int(for_s * 1_000))
            if int(cursor) == 0:
                return

    async def go_on_building(self, for_s: float) -> bool:
        """Remain the one who builds it; False where Redis was emptied meanwhile, so that nothing is taken in."""
        return await self.redis.ask("PEXPIRE", self._mark, int(for_s * 1_000)) == 1

    async def leave_building(self) -> None:
        """Let somebody else build it, now."""
        await self.redis.run(_LEAVE, [self._mark], [])

    async def end_building(self) -> None:
        """Say that everything is folded; nothing, where Redis was emptied meanwhile."""
        await self.redis.ask("SET", self._mark, "ready", "XX")
