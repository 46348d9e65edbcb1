"""What a Redis keeps: strings, hashes and sorted sets, each of which may expire; and the commands that are used on them."""

import copy
from collections.abc import Callable
from typing import Any

from towpath_testkit.redis_model import scripts
from towpath_testkit.redis_model.values import OK, WRONG_TYPE, NotModelledError, RedisRefusedError, Status

_SECOND_MS = 1_000


class Hash(dict[bytes, bytes]):
    """A hash: values by field."""


class Scores(dict[bytes, float]):
    """A sorted set: scores by member."""


class Store:
    """All keys; `now_ms` tells the milliseconds since 1970."""

    def __init__(self, now_ms: Callable[[], float]) -> None:
        self._now_ms = now_ms
        self._keys: dict[bytes, Any] = {}
        self._ends_ms: dict[bytes, float] = {}
        self._scripts: set[bytes] = set()
        self._saved: tuple[dict[bytes, Any], dict[bytes, float]] = {}, {}
        self._commands: dict[bytes, Callable[..., Any]] = {
            name.removeprefix("_do_").upper().encode(): getattr(self, name)
            for name in dir(self)
            if name.startswith("_do_")
        }

    def do(self, *command: bytes) -> Any:
        """Give a command.

        Raises:
            RedisRefusedError: If Redis would refuse it.
            NotModelledError: If the model does not know it.
        """
        act = self._commands.get(command[0]) or self._commands.get(command[0].upper())
        if act is None:
            raise NotModelledError(f"the command {command[0]!r}")
        return act(*command[1:])

    def clear(self) -> None:
        """Lose everything."""
        self._keys.clear()
        self._ends_ms.clear()

    def items(self) -> list[tuple[bytes, Any]]:
        """List the keys that have not expired, with what is there."""
        return [(key, self._keys[key]) for key in list(self._keys) if self._there(key) is not None]

    def save(self) -> None:
        """Write all of it to a disk."""
        self._saved = copy.deepcopy(self._keys), dict(self._ends_ms)

    def go_back(self) -> None:
        """Have what was on the disk, and nothing else."""
        keys, ends_ms = self._saved
        self._keys, self._ends_ms = copy.deepcopy(keys), dict(ends_ms)

    # --- Keys -------------------------------------------------------------------------------------

    def _there(self, key: bytes) -> Any:
        if self._ends_ms and self._ends_ms.get(key, float("inf")) <= self._now_ms():
            self._drop(key)
        return self._keys.get(key)

    def _drop(self, key: bytes) -> None:
        self._keys.pop(key, None)
        self._ends_ms.pop(key, None)

    def _of_kind(self, key: bytes, kind: type) -> Any:
        found = self._there(key)
        if found is not None and type(found) is not kind:
            raise RedisRefusedError(WRONG_TYPE)
        return found

    def _hash(self, key: bytes) -> Hash:
        return self._of_kind(key, Hash) or Hash()

    def _scores(self, key: bytes) -> Scores:
        return self._of_kind(key, Scores) or Scores()

    def _do_flushall(self) -> Status:
        self.clear()
        return OK

    def _do_ping(self) -> Status:
        return Status("PONG")

    def _do_type(self, key: bytes) -> Status:
        names = {bytes: "string", Hash: "hash", Scores: "zset"}
        found = self._there(key)
        return Status("none" if found is None else names[type(found)])

    def _do_exists(self, *keys: bytes) -> int:
        return sum(self._there(key) is not None for key in keys)

    def _do_del(self, *keys: bytes) -> int:
        there = self._do_exists(*keys)
        for key in keys:
            self._drop(key)
        return there

    def _do_unlink(self, *keys: bytes) -> int:
        return self._do_del(*keys)

    def _do_persist(self, key: bytes) -> int:
        return int(self._there(key) is not None and self._ends_ms.pop(key, None) is not None)

    def _do_pexpire(self, key: bytes, ms: bytes) -> int:
        return self._expire(key, self._now_ms() + int(ms))

    def _do_pexpireat(self, key: bytes, at_ms: bytes) -> int:
        return self._expire(key, int(at_ms))

    def _expire(self, key: bytes, at_ms: float) -> int:
        if self._there(key) is None:
            return 0
        self._ends_ms[key] = at_ms
        self._there(key)
        return 1

    def _do_scan(self, cursor: bytes, *options: bytes) -> list[Any]:
        """Find all at once, as a server may."""
        said = dict(zip(options[::2], options[1::2], strict=True))
        pattern = said.pop(b"MATCH", b"*")
        if cursor != b"0" or said.keys() - {b"COUNT"} or set(pattern[:-1]) & set(b"*?[\\"):
            raise NotModelledError(f"SCAN {cursor!r} {options}")
        return [
            b"0",
            [key for key in list(self._keys) if self._there(key) is not None and _fits(key, pattern)],
        ]

    # --- Strings ----------------------------------------------------------------------------------

    def _do_get(self, key: bytes) -> bytes | None:
        return self._of_kind(key, bytes)

    def _do_set(self, key: bytes, value: bytes, *options: bytes) -> Status | None:
        if options == (b"XX",) and self._there(key) is None:
            return None
        if options and options[0] not in {b"XX", b"PX", b"EX"}:
            raise NotModelledError(f"SET with {options}")
        self._drop(key)
        self._keys[key] = value
        if options[:1] in {(b"PX",), (b"EX",)}:
            unit_ms = 1 if options[0] == b"PX" else _SECOND_MS
            self._ends_ms[key] = self._now_ms() + int(options[1]) * unit_ms
        return OK

    # --- Hashes -----------------------------------------------------------------------------------

    def _do_hget(self, key: bytes, field: bytes) -> bytes | None:
        return self._hash(key).get(field)

    def _do_hmget(self, key: bytes, *fields: bytes) -> list[bytes | None]:
        found = self._hash(key)
        return [found.get(field) for field in fields]

    def _do_hgetall(self, key: bytes) -> dict[bytes, bytes]:
        return dict(self._hash(key))

    def _do_hvals(self, key: bytes) -> list[bytes]:
        return list(self._hash(key).values())

    def _do_hexists(self, key: bytes, field: bytes) -> int:
        return int(field in self._hash(key))

    def _do_hset(self, key: bytes, *told: bytes) -> int:
        found = self._hash(key)
        before = len(found)
        found.update(zip(told[::2], told[1::2], strict=True))
        self._keys[key] = found
        return len(found) - before

    def _do_hdel(self, key: bytes, *fields: bytes) -> int:
        return self._without(key, self._hash(key), fields)

    def _without(self, key: bytes, found: dict[bytes, Any], names: tuple[bytes, ...]) -> int:
        gone = sum(found.pop(name, None) is not None for name in names)
        if not found:
            self._drop(key)
        return gone

    # --- Sorted sets ------------------------------------------------------------------------------

    def _do_zadd(self, key: bytes, score: bytes, member: bytes) -> int:
        found = self._scores(key)
        before = len(found)
        found[member] = float(score)
        self._keys[key] = found
        return len(found) - before

    def _do_zrem(self, key: bytes, *members: bytes) -> int:
        return self._without(key, self._scores(key), members)

    def _do_zcard(self, key: bytes) -> int:
        return len(self._scores(key))

    def _do_zrangebyscore(self, key: bytes, least: bytes, most: bytes, *options: bytes) -> list[bytes]:
        if options[:1] != (b"LIMIT",):
            raise NotModelledError(f"ZRANGEBYSCORE with {options}")
        found = self._in_order(key, least, most)
        return [member for _, member in _cut(found, *options[1:])]

    def _do_zrevrangebyscore(self, key: bytes, most: bytes, least: bytes, *options: bytes) -> list[Any]:
        if options[:2] != (b"WITHSCORES", b"LIMIT"):
            raise NotModelledError(f"ZREVRANGEBYSCORE with {options}")
        found = self._in_order(key, least, most)[::-1]
        return [[member, score] for score, member in _cut(found, *options[2:])]

    def _in_order(self, key: bytes, least: bytes, most: bytes) -> list[tuple[float, bytes]]:
        return sorted(
            (score, member)
            for member, score in self._scores(key).items()
            if not _is_beyond(score, most, 1) and not _is_beyond(score, least, -1)
        )

    # --- Scripts ----------------------------------------------------------------------------------

    def _do_eval(self, text: bytes, *given: bytes) -> Any:
        digest = scripts.learn(text)
        self._scripts.add(digest)
        return self._do_evalsha(digest, *given)

    def _do_evalsha(self, digest: bytes, count: bytes, *given: bytes) -> Any:
        if digest not in self._scripts:
            raise RedisRefusedError("NOSCRIPT No matching script.")
        return scripts.run(digest, self.do, given[: int(count)], given[int(count) :])

    def forget_scripts(self) -> None:
        """Know no script any more, as after a restart."""
        self._scripts.clear()


def _fits(key: bytes, pattern: bytes) -> bool:
    return key.startswith(pattern[:-1]) if pattern.endswith(b"*") else key == pattern


def _cut(found: list[tuple[float, bytes]], offset: bytes, count: bytes) -> list[tuple[float, bytes]]:
    first, most = int(offset), int(count)
    return found[first : first + most] if most >= 0 else found[first:]


def _is_beyond(score: float, bound: bytes, sign: int) -> bool:
    excluded = bound.startswith(b"(")
    limit = float(bound.removeprefix(b"("))
    return score * sign >= limit * sign if excluded else score * sign > limit * sign
