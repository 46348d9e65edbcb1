"""What a Redis keeps: strings, hashes and sorted sets, each of which may expire; and the commands that are used on them."""

import copy
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

from towpath_testkit.redis_model import scripts
from towpath_testkit.redis_model.values import (
    LARGEST,
    OK,
    WRONG_TYPE,
    NotModelledError,
    RedisRefusedError,
    Status,
    decimal,
    integer,
)

_UNITS_MS = {b"PX": 1, b"EX": 1_000}


class Hash(dict[bytes, bytes]):
    """A hash: values by field."""


class Scores(dict[bytes, float]):
    """A sorted set: scores by member."""


class _Command(NamedTuple):
    """What does a command, and how many arguments it takes."""

    act: Callable[..., Any]
    least: int
    most: float

    @classmethod
    def of(cls, act: Callable[..., Any]) -> "_Command":
        """See what a method takes."""
        kinds = [one.kind for one in inspect.signature(act).parameters.values()]
        least = kinds.count(inspect.Parameter.POSITIONAL_OR_KEYWORD)
        return cls(act, least, least if least == len(kinds) else float("inf"))


class Store:
    """All keys; `now_ms` tells the milliseconds since 1970."""

    def __init__(self, now_ms: Callable[[], float]) -> None:
        self._now_ms = now_ms
        self._keys: dict[bytes, Any] = {}
        self.ends_ms: dict[bytes, float] = {}
        self._scripts: set[bytes] = set()
        self._saved: tuple[dict[bytes, Any], dict[bytes, float]] = {}, {}
        self._commands = {
            name.removeprefix("_do_").upper().encode(): _Command.of(getattr(self, name))
            for name in dir(self)
            if name.startswith("_do_")
        }

    def do(self, *command: bytes) -> Any:
        """Give a command.

        Raises:
            RedisRefusedError: If Redis would refuse it.
            NotModelledError: If the model does not know it.
        """
        known = self._commands.get(command[0]) or self._commands.get(command[0].upper())
        if known is None or len(command) - 1 > known.most:
            raise NotModelledError(f"the command {command}")
        if len(command) - 1 < known.least:
            raise _wrong_number(command[0])
        return known.act(*command[1:])

    def clear(self) -> None:
        """Lose everything."""
        self._keys.clear()
        self.ends_ms.clear()

    def items(self) -> list[tuple[bytes, Any]]:
        """List the keys that have not expired, with what is there."""
        return [(key, self._keys[key]) for key in list(self._keys) if self._there(key) is not None]

    def save(self) -> None:
        """Write all of it to a disk."""
        self._saved = copy.deepcopy(self._keys), dict(self.ends_ms)

    def go_back(self) -> None:
        """Have what was on the disk, and nothing else."""
        keys, ends_ms = self._saved
        self._keys, self.ends_ms = copy.deepcopy(keys), dict(ends_ms)

    # --- Keys -------------------------------------------------------------------------------------

    def _there(self, key: bytes) -> Any:
        if self.ends_ms and self.ends_ms.get(key, float("inf")) <= self._now_ms():
            self._drop(key)
        return self._keys.get(key)

    def _drop(self, key: bytes) -> None:
        self._keys.pop(key, None)
        self.ends_ms.pop(key, None)

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

    def _do_exists(self, key: bytes, *keys: bytes) -> int:
        return sum(self._there(one) is not None for one in (key, *keys))

    def _do_del(self, key: bytes, *keys: bytes) -> int:
        named = {key, *keys}
        there = self._do_exists(*named)
        for one in named:
            self._drop(one)
        return there

    def _do_unlink(self, key: bytes, *keys: bytes) -> int:
        return self._do_del(key, *keys)

    def _do_persist(self, key: bytes) -> int:
        return int(self._there(key) is not None and self.ends_ms.pop(key, None) is not None)

    def _do_pexpire(self, key: bytes, ms: bytes) -> int:
        return self._expire(key, self._in_ms(integer(ms), "pexpire"))

    def _do_pexpireat(self, key: bytes, at_ms: bytes) -> int:
        return self._expire(key, integer(at_ms))

    def _in_ms(self, ms: int, command: str) -> float:
        at_ms = self._now_ms() + ms
        if at_ms > LARGEST:
            raise _wrong_expiry(command)
        return at_ms

    def _expire(self, key: bytes, at_ms: float) -> int:
        if self._there(key) is None:
            return 0
        self.ends_ms[key] = at_ms
        self._there(key)
        return 1

    def _do_scan(self, cursor: bytes, *options: bytes) -> list[Any]:
        """Find all at once, as a server may."""
        if not cursor.isdigit():
            raise RedisRefusedError("ERR invalid cursor")
        said = dict(zip(options[::2], options[1::2], strict=False))
        pattern = said.pop(b"MATCH", b"*")
        if integer(said.pop(b"COUNT", b"1")) < 1 or len(options) % 2:
            raise RedisRefusedError("ERR syntax error")
        if cursor != b"0" or said or set(pattern.removesuffix(b"*")) & set(b"*?[\\"):
            raise NotModelledError(f"SCAN {cursor!r} {options}")
        return [b"0", [key for key, _ in self.items() if _fits(key, pattern)]]

    # --- Strings ----------------------------------------------------------------------------------

    def _do_get(self, key: bytes) -> bytes | None:
        return self._of_kind(key, bytes)

    def _do_set(self, key: bytes, value: bytes, *options: bytes) -> Status | None:
        if options == (b"XX",) and self._there(key) is None:
            return None
        at_ms = self._end_ms(options)
        self._drop(key)
        self._keys[key] = value
        if at_ms is not None:
            self.ends_ms[key] = at_ms
        return OK

    def _end_ms(self, options: tuple[bytes, ...]) -> float | None:
        match options:
            case () | (b"XX",):
                return None
            case (b"PX" | b"EX" as unit, count):
                ms = integer(count) * _UNITS_MS[unit]
            case _:
                raise NotModelledError(f"SET with {options}")
        if ms <= 0:
            raise _wrong_expiry("set")
        return self._in_ms(ms, "set")

    # --- Hashes -----------------------------------------------------------------------------------

    def _do_hget(self, key: bytes, field: bytes) -> bytes | None:
        return self._hash(key).get(field)

    def _do_hmget(self, key: bytes, field: bytes, *fields: bytes) -> list[bytes | None]:
        found = self._hash(key)
        return [found.get(one) for one in (field, *fields)]

    def _do_hgetall(self, key: bytes) -> dict[bytes, bytes]:
        return dict(self._hash(key))

    def _do_hvals(self, key: bytes) -> list[bytes]:
        return list(self._hash(key).values())

    def _do_hexists(self, key: bytes, field: bytes) -> int:
        return int(field in self._hash(key))

    def _do_hset(self, key: bytes, field: bytes, value: bytes, *more: bytes) -> int:
        if len(more) % 2:
            raise _wrong_number(b"hset")
        found = self._hash(key)
        before = len(found)
        found[field] = value
        found.update(zip(more[::2], more[1::2], strict=True))
        self._keys[key] = found
        return len(found) - before

    def _do_hdel(self, key: bytes, field: bytes, *fields: bytes) -> int:
        return self._without(key, self._hash(key), (field, *fields))

    def _without(self, key: bytes, found: dict[bytes, Any], names: tuple[bytes, ...]) -> int:
        gone = sum(found.pop(name, None) is not None for name in names)
        if not found:
            self._drop(key)
        return gone

    # --- Sorted sets ------------------------------------------------------------------------------

    def _do_zadd(self, key: bytes, score: bytes, member: bytes) -> int:
        value = decimal(score, "ERR value is not a valid float")
        found = self._scores(key)
        before = len(found)
        found[member] = value
        self._keys[key] = found
        return len(found) - before

    def _do_zrem(self, key: bytes, member: bytes, *members: bytes) -> int:
        return self._without(key, self._scores(key), (member, *members))

    def _do_zcard(self, key: bytes) -> int:
        return len(self._scores(key))

    def _do_zrangebyscore(self, key: bytes, least: bytes, most: bytes, *options: bytes) -> list[bytes]:
        match options:
            case (b"LIMIT", offset, count):
                part = _part(offset, count)
            case _:
                raise NotModelledError(f"ZRANGEBYSCORE with {options}")
        return [member for _, member in self._in_order(key, least, most)[part]]

    def _do_zrevrangebyscore(self, key: bytes, most: bytes, least: bytes, *options: bytes) -> list[Any]:
        match options:
            case (b"WITHSCORES", b"LIMIT", offset, count):
                part = _part(offset, count)
            case _:
                raise NotModelledError(f"ZREVRANGEBYSCORE with {options}")
        return [[member, score] for score, member in self._in_order(key, least, most)[::-1][part]]

    def _in_order(self, key: bytes, least: bytes, most: bytes) -> list[tuple[float, bytes]]:
        lowest, highest = _bound(least, 1), _bound(most, -1)
        listed = ((score, member) for member, score in self._scores(key).items())
        return sorted(one for one in listed if lowest <= (one[0], 0) <= highest)

    # --- Scripts ----------------------------------------------------------------------------------

    def _do_eval(self, text: bytes, count: bytes, *given: bytes) -> Any:
        _named(count, given)
        digest = scripts.learn(text)
        self._scripts.add(digest)
        return self._do_evalsha(digest, count, *given)

    def _do_evalsha(self, digest: bytes, count: bytes, *given: bytes) -> Any:
        keys = _named(count, given)
        if digest.lower() not in self._scripts:
            raise RedisRefusedError("NOSCRIPT No matching script.")
        return scripts.run(digest.lower(), self.do, keys, given[len(keys) :])

    def forget_scripts(self) -> None:
        """Know no script any more, as after a restart."""
        self._scripts.clear()


def _fits(key: bytes, pattern: bytes) -> bool:
    return key.startswith(pattern[:-1]) if pattern.endswith(b"*") else key == pattern


def _part(offset: bytes, count: bytes) -> slice:
    first, most = integer(offset), integer(count)
    if first < 0:
        return slice(0)
    return slice(first, first + most if most >= 0 else None)


def _bound(text: bytes, excluding: int) -> tuple[float, int]:
    """Read a bound: scores are compared to it as `(score, 0)`."""
    limit = decimal(text.removeprefix(b"("), "ERR min or max is not a float")
    return limit, excluding if text.startswith(b"(") else 0


def _named(count: bytes, given: tuple[bytes, ...]) -> tuple[bytes, ...]:
    keys = integer(count)
    if not 0 <= keys <= len(given):
        wrong = "negative" if keys < 0 else "greater than number of args"
        raise RedisRefusedError(f"ERR Number of keys can't be {wrong}")
    return given[:keys]


def _wrong_number(command: bytes) -> RedisRefusedError:
    return RedisRefusedError(f"ERR wrong number of arguments for '{command.decode().lower()}' command")


def _wrong_expiry(command: str) -> RedisRefusedError:
    return RedisRefusedError(f"ERR invalid expire time in '{command}' command")
