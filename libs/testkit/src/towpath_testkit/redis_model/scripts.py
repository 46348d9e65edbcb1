# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false, reportCallIssue=false, reportArgumentType=false
"""Lua scripts as Redis runs them: one Lua for the whole process, each script compiled once."""

import hashlib
import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from lupa import lua51

from towpath_testkit.redis_model.values import NotModelledError, RedisRefusedError, Status

Do = Callable[..., Any]

_lua = lua51.LuaRuntime(encoding=None, unpack_returned_tuples=True, register_eval=False)
_texts: dict[bytes, bytes] = {}
_doing: list[Do] = []
_PRELUDE = b"local KEYS, ARGV, redis, cjson = ...; "
_lua.execute(b"""
local function refuse(_, name) error('no script may use the global variable ' .. tostring(name), 2) end
setmetatable(_G, {__index = refuse, __newindex = refuse})
""")


def learn(text: bytes) -> bytes:
    """Remember a script by its digest.

    Raises:
        RedisRefusedError: If it is no Lua.
    """
    digest = hashlib.sha1(text, usedforsecurity=False).hexdigest().encode()
    _texts[digest] = text
    try:
        _compiled(digest)
    except lua51.LuaError as error:
        raise RedisRefusedError(f"ERR Error compiling script (new function): {error}") from error
    return digest


def run(digest: bytes, do: Do, keys: Sequence[bytes], arguments: Sequence[bytes]) -> Any:
    """Run a script that was learned; its commands are given to `do`.

    Raises:
        RedisRefusedError: If one of its commands is refused, or it fails; what it did before, stays.
    """
    _doing.append(do)
    try:
        return _of_lua(_compiled(digest)(_lua.table_from(keys), _lua.table_from(arguments), _redis, _cjson))
    except lua51.LuaError as error:
        said, _, _ = str(error).partition("\n")  # where it was, stands behind it
        raise RedisRefusedError(f"ERR {said}") from error
    finally:
        _doing.pop()


@lru_cache
def _compiled(digest: bytes) -> Any:
    return _lua.compile(_PRELUDE + _texts[digest], name=b"=user_script")


def _call(*command: Any) -> Any:
    return _to_lua(_doing[-1](*map(_argument, command)))


def _argument(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, float):
        raise NotModelledError(f"the digits that {value!r} has in a script")
    if isinstance(value, int) and not isinstance(value, bool):
        return b"%d" % value
    raise RedisRefusedError("ERR Command arguments must be strings or integers")


def _to_lua(value: Any) -> Any:
    """Give an answer to a script, as in RESP2."""
    match value:
        case bytes() | int():
            return value
        case None:
            return False
        case Status():
            return _lua.table_from({b"ok": value.word.encode()})
        case dict():
            return _lua.table_from([one for pair in value.items() for one in pair])
        case list():
            return _lua.table_from([_to_lua(one) for one in value])
        case _:
            raise NotModelledError(f"{value!r} in a script")


def _of_lua(value: Any) -> Any:
    if isinstance(value, bytes) or value is None:
        return value
    if isinstance(
        value, int | float
    ):  # a truth is 1, its opposite nothing; digits behind the point are dropped
        return None if value is False else int(value)
    raise NotModelledError(f"a script that returns {value!r}")


def _decoded(text: Any) -> Any:
    if not isinstance(text, bytes):
        raise NotModelledError(f"JSON in {text!r}")
    try:
        return _of_json(json.loads(text.decode(errors="surrogateescape"), parse_int=float))
    except ValueError as error:
        raise RedisRefusedError(f"ERR {error}") from error


def _of_json(value: Any) -> Any:
    match value:
        case str():
            return value.encode(errors="surrogateescape")
        case list():
            return _lua.table_from([_of_json(one) for one in value])
        case dict():
            return _lua.table_from({_of_json(name): _of_json(one) for name, one in value.items()})
        case bool() | float():
            return value
        case _:
            raise NotModelledError(f"{value!r} in JSON for a script")


def _encoded(value: Any) -> bytes:
    """Write a list of strings, in whatever encoding they are, as JSON."""
    listed = [value[place].decode("latin-1") for place in range(1, len(value) + 1)]
    text = json.dumps(listed, ensure_ascii=False, separators=(",", ":"))
    return text.replace("/", "\\/").replace("\x7f", "\\u007f").encode("latin-1")


_redis = _lua.table_from({b"call": _call})
_cjson = _lua.table_from({b"decode": _decoded, b"encode": _encoded})
