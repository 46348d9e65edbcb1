"""The index of runs in Redis: a hash for each run, and the runs by time: all, and those of each status, component, tenant."""

import asyncio
from collections.abc import Sequence
from typing import Any, Literal, cast

from towpath_entity_store.redis_door import RedisDoor, Script
from towpath_schemas.attribution import Attribution
from towpath_schemas.audit import AuditEvent
from towpath_schemas.failure import Failure
from towpath_schemas.runs import RunsAsked, RunStatus, RunView

_STATUSES: dict[str, RunStatus] = {
    "started": "running",  # that a runner has taken it is not audited: it follows at once
    "suspended": "suspended",
    "resumed": "running",
    "completed": "completed",
    "failed": "failed",
    "cancelled": "cancelled",
}
_ENDS = frozenset({"completed", "failed", "cancelled"})
_PAGE = 200
_FLUSHED = b"flushed"

Standing = Literal["missing", "building", "ready"]

# KEYS: the index's own mark, the run. ARGV: prefix, run id, sequence, status, time, component, tenant,
# attribution, failure, whether it is the start, whether it is the end.
# Events may come in any order and more than once: the newest record of the journal decides the status.
_FOLD = Script.of("""
if redis.call('EXISTS', KEYS[1]) == 0 then return 'flushed' end
local prefix, id, sequence, status, at = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5]
local known = redis.call('HMGET', KEYS[2], 'sequence', 'status', 'created_at')
local created = known[3]
if ARGV[10] == '1' or not created then created = at end
if sequence > tonumber(known[1] or '-1') then
  if known[2] then redis.call('ZREM', prefix .. 'status:' .. known[2], id) end
  redis.call('HSET', KEYS[2], 'sequence', ARGV[3], 'status', status, 'component', ARGV[6], 'attribution', ARGV[8])
  redis.call('HSET', KEYS[2], 'failure', ARGV[9], 'finished_at', ARGV[11] == '1' and at or '')
else
  status = known[2]
end
redis.call('HSET', KEYS[2], 'created_at', created)
redis.call('ZADD', prefix .. 'all', created, id)
redis.call('ZADD', prefix .. 'status:' .. status, created, id)
redis.call('ZADD', prefix .. 'component:' .. ARGV[6], created, id)
redis.call('ZADD', prefix .. 'tenant:' .. ARGV[7], created, id)
return 'folded'
""")


class IndexFlushedError(Exception):
    """Redis was emptied: the index must be built again."""


class RunsIndex:
    """Folds events and answers lists; `prefix` names the audit stream that it is an index of."""

    def __init__(self, redis: RedisDoor, prefix: str) -> None:
        self._redis = redis
        self._prefix = f"{prefix}runs:"
        self._mark = f"{self._prefix}standing"

    async def fold(self, event: AuditEvent) -> None:
        """Take over what an event says about its run.

        Raises:
            IndexFlushedError: If the index must be built first.
            RedisFailedError: If Redis does not take it.
        """
        status = _STATUSES.get(event.action)
        if status is None:
            return
        said = await self._redis.run(_FOLD, [self._mark, self._run(event.run_id)], self._told(event, status))
        if said == _FLUSHED:
            raise IndexFlushedError

    def _told(self, event: AuditEvent, status: RunStatus) -> tuple[str | bytes | int | float, ...]:
        return (
            self._prefix,
            event.run_id,
            event.source_sequence,
            status,
            event.at,
            event.target,
            event.attribution.tenant,
            event.attribution.to_body(),
            event.failure.to_body() if event.failure else b"",
            int(event.action == "started"),
            int(event.action in _ENDS),
        )

    async def matching(self, asked: RunsAsked) -> tuple[RunView, ...]:
        """List the newest runs that match.

        Raises:
            RedisFailedError: If Redis is lost.
        """
        candidates, found, start = await self._smallest_set(asked), list[RunView](), 0
        while page := await self._redis.ask("ZREVRANGE", candidates, start, start + _PAGE - 1):
            views = await self._views(page)
            found += [view for view in views if view is not None and _matches(view, asked)]
            if len(found) >= asked.limit:
                break
            start += _PAGE
        return tuple(found[: asked.limit])

    async def standing(self) -> Standing:
        """Tell whether the index is there.

        Raises:
            RedisFailedError: If Redis is lost.
        """
        said = cast("bytes | None", await self._redis.ask("GET", self._mark))
        return "missing" if said is None else "building" if said == b"building" else "ready"

    async def begin_building(self, for_s: float) -> bool:
        """Become the one who builds the index, for a while; False where somebody else does."""
        said = await self._redis.ask("SET", self._mark, "building", "NX", "PX", int(for_s * 1_000))
        return said is not None

    async def go_on_building(self, for_s: float) -> None:
        """Remain the one who builds it."""
        await self._redis.ask("PEXPIRE", self._mark, int(for_s * 1_000))

    async def end_building(self) -> None:
        """Say that everything is folded; nothing, where Redis was emptied meanwhile."""
        await self._redis.ask("SET", self._mark, "ready", "XX")

    async def _smallest_set(self, asked: RunsAsked) -> str:
        named = {"status": asked.status, "component": asked.component, "tenant": asked.tenant}
        sets = [f"{self._prefix}{by}:{value}" for by, value in named.items() if value is not None]
        sizes = [(await self._redis.ask("ZCARD", one), one) for one in sets]
        return min(sizes)[1] if sizes else f"{self._prefix}all"

    async def _views(self, run_ids: Sequence[bytes]) -> list[RunView | None]:
        keys = [self._run(run_id.decode()) for run_id in run_ids]
        hashes = await asyncio.gather(*(self._redis.ask("HGETALL", key) for key in keys))
        return [_view(run_id.decode(), found) for run_id, found in zip(run_ids, hashes, strict=True)]

    def _run(self, run_id: str) -> str:
        return f"{self._prefix}run:{run_id}"


def _view(run_id: str, found: dict[bytes, bytes]) -> RunView | None:
    if b"status" not in found:
        return None
    finished, failure = found[b"finished_at"], found[b"failure"]
    return RunView(
        run_id=run_id,
        component=found[b"component"].decode(),
        status=cast("RunStatus", found[b"status"].decode()),
        created_at=float(found[b"created_at"]),
        finished_at=float(finished) if finished else None,
        failure=Failure.from_body(failure) if failure else None,
        attribution=Attribution.from_body(found[b"attribution"]),
    )


def _matches(view: RunView, asked: RunsAsked) -> bool:
    has: dict[str, Any] = {
        "status": view.status,
        "component": view.component,
        "tenant": view.attribution.tenant,
    }
    return all(getattr(asked, by) in {None, value} for by, value in has.items())
