"""Random commands for a Redis, in every form that the model knows, right and wrong.

Few keys, fields and members, so that they meet; most keys mostly have one type. What expires does so long ago or in
far future.
"""

from collections.abc import Callable, Sequence
from itertools import chain
from random import Random
from typing import Any, cast

Command = tuple[str | bytes, ...]
Draw = Callable[[Random], Any]

MARK, *_ = OF_RUN = [b"p:standing", b"p:run:1", b"p:open:1", b"p:closed:1", b"p:purged:1"]
ENTITY, RUN = b"p:entity:1", OF_RUN[1]
LISTS = [b"p:all", b"p:ended", b'p:status:["running"]', b'p:status:["done","t"]']
KEYS = [b"a", b"", b"\x00\xff\r\n", ENTITY, *OF_RUN, *LISTS]
FIELDS = [b"f", b"\xff\r\n", b"number", b"finished_at"]
VALUES = [b"", b"1", b"\x00\xff\r\n", b"ready", b"done", b"*3\r\n$1\r\n"]

NO_INTEGERS = [b"", b"x", b"1.5", b"+1", b"01", b" 1", b"-0", b"1_0", b"9223372036854775808"]
INTEGERS = [b"0", b"1", b"2", b"3", b"-1", b"-2", b"9223372036854775807", b"-9223372036854775808"]
NO_DECIMALS = [b"x", b"nan", b"1_0", b" 1", b"1 ", b"--1", b"((1", b"1e"]
DECIMALS = [b"-0", b"0", b"1", b".5", b"-2.5", b"+inf", b"-inf", b"Inf", b"1e20", b"1800000000.123"]
LATER_MS = [b"3600000", b"86400000"]
NEVER_SOON_MS = [b"0", b"-1", b"9223372036854775807", b"-9223372036854775808"]
SINCE_1970_MS = [b"4102444800000", b"9223372036854775807", b"1", b"0", b"-1"]


def mostly(usual: Sequence[Any], *others: Sequence[Any]) -> Draw:
    """Draw one of the usual, or one time in eight one of the others."""
    return lambda chance: chance.choice(usual if chance.randrange(8) else [*chain(*others)] or usual)


def always(one: Any) -> Draw:
    """Draw nothing else."""
    return lambda _: one


def one_of(*some: Draw) -> Draw:
    """Let one of them draw."""
    return lambda chance: chance.choice(some)(chance)


def joined(*parts: Draw) -> Draw:
    """Draw arguments, of which some come as tuples."""

    def draw(chance: Random) -> Command:
        return tuple(chain.from_iterable(_listed(part(chance)) for part in parts))

    return draw


def _listed(drawn: Any) -> Command:
    return cast("Command", drawn) if isinstance(drawn, tuple) else (drawn,)


def several(*each: Draw, least: int = 1) -> Draw:
    """Draw arguments as `joined` does, up to three times."""
    return lambda chance: joined(*each * chance.randint(least, 3))(chance)


def _floating(chance: Random) -> bytes:
    return repr(chance.uniform(-1, 1) * 10.0 ** chance.randint(-300, 300)).encode()


key = mostly(KEYS)
strings, hashes, zsets = (
    one_of(*[mostly(some)] * 2, key) for some in ([b"a", MARK], [ENTITY, RUN], LISTS[:2])
)
field, value = mostly(FIELDS), mostly(VALUES)
_long_value = one_of(value, lambda chance: chance.randbytes(chance.randrange(200)))
number = mostly(INTEGERS, NO_INTEGERS)
lasting = one_of(*[mostly(LATER_MS)] * 2, mostly(NEVER_SOON_MS, NO_INTEGERS))
_score = one_of(mostly(DECIMALS, NO_DECIMALS), mostly([b"-1", b"0", b"1"]), _floating)
_least, _most = (
    mostly([b"-inf", b"(-3", b"-2.5", b"(0", b"0"], DECIMALS, NO_DECIMALS),
    mostly([b"+inf", b"(1", b"1", b"(2"], DECIMALS, NO_DECIMALS),
)
_nothing = always(())
_how_set = one_of(_nothing, always(b"XX"), joined(mostly([b"PX", b"EX"]), lasting))
_limit = joined(always(b"LIMIT"), number, number)
_match = joined(always(b"MATCH"), mostly([b"*", b"p:*", b"p:run:*", b"a", b"\x00*", b""]))
_at_most = joined(always(b"COUNT"), mostly([b"1000"], [b"0", b"-1"], NO_INTEGERS))

FORMS: dict[str, tuple[int, Draw]] = {
    "FLUSHALL": (0, _nothing),
    "PING": (0, _nothing),
    "TYPE": (1, key),
    "EXISTS": (1, several(key)),
    "DEL": (1, several(key)),
    "UNLINK": (1, several(key)),
    "PERSIST": (1, key),
    "PEXPIRE": (2, joined(key, lasting)),
    "PEXPIREAT": (2, joined(key, mostly(SINCE_1970_MS, NO_INTEGERS))),
    "SCAN": (
        1,
        joined(mostly([b"0"], [b"x", b"-1"]), _at_most, one_of(_nothing, _match, _match, always(b"COUNT"))),
    ),
    "GET": (1, strings),
    "SET": (2, joined(strings, _long_value, _how_set)),
    "HGET": (2, joined(hashes, field)),
    "HMGET": (2, joined(hashes, several(field))),
    "HGETALL": (1, hashes),
    "HVALS": (1, hashes),
    "HEXISTS": (2, joined(hashes, field)),
    "HSET": (3, joined(hashes, several(field, value), mostly([()], FIELDS))),
    "HDEL": (2, joined(hashes, several(field))),
    "ZADD": (3, joined(zsets, _score, field)),
    "ZREM": (2, joined(zsets, several(field))),
    "ZCARD": (1, zsets),
    "ZRANGEBYSCORE": (3, joined(zsets, _least, _most, _limit)),
    "ZREVRANGEBYSCORE": (3, joined(zsets, _most, _least, always(b"WITHSCORES"), _limit)),
}
"""How many arguments each command needs at least, and which."""


def plain(name: str) -> Draw:
    """Draw a command; seldom one that ends too early."""
    least, arguments = FORMS[name]
    whole = joined(always(name), arguments)
    cut = mostly([(name,), (name, *[b"a"] * (least - 1))]) if least else whole
    return one_of(*[whole] * 15, cut)
