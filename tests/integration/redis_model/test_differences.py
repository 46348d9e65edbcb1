"""The model of Redis that simulations run on answers as the real server does, and keeps the same.

In which order a server has the fields of a large hash is its own affair, and scripts go by it; so what stands in hashes
is short.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Generator, Iterable
from itertools import chain, product
from pathlib import Path
from random import Random
from typing import Any

import pytest

import towpath_entity_store
from towpath_entity_store.entities import projection
from towpath_entity_store.redis_door import Script
from towpath_entity_store.runs import index
from towpath_testkit.redis_check.commands import (
    ENTITY,
    FORMS,
    INTEGERS,
    MARK,
    NO_INTEGERS,
    OF_RUN,
    VALUES,
    Command,
    Draw,
    always,
    field,
    joined,
    lasting,
    mostly,
    number,
    one_of,
    plain,
    several,
    value,
)
from towpath_testkit.redis_check.comparing import Compared, Refusal, model_and_server
from towpath_testkit.redis_model import Store

pytestmark = pytest.mark.live

SEQUENCES, LENGTH = 300, 60
AT_ONCE = 5_000

NO_JSON = [b"", b"x", b"[1,]", b"5", b'"all"']
SETS = [b"[]", b'["all"]', b'["all","\\u00e4\\/\xc3\xa4"]']
WAITS = [b'{"sets":["all"]}', b'{"sets":["all","ended"],"member":"7","at":"1.5"}']
TOLD: dict[bytes, list[Command]] = {
    b"origin": [(b"created_at", at, b"tenant", b'"t"') for at in (b"5", b"6.25")],
    b"state": [(b"status", b"running"), (b"status", b"done", b"finished_at", b"9.5")],
    b"pause": [(b"paused", b"1"), (b"paused", b"")],
    b"open": [()],
    b"closed": [()],
    b"purged": [()],
}
TOLD_WRONGLY: list[Command] = [
    (b"status",),
    (b"created_at", b"x"),
    (b"status", b"done", b"finished_at", b"x"),
]

# --- Scripts --------------------------------------------------------------------------------------

OURS = {
    by: name
    for module in (projection, index)
    for name, script in vars(module).items()
    if isinstance(script, Script)
    for by in script
}
OF_A_COMMAND = """
local said = redis.call(unpack(ARGV))
if type(said) ~= 'table' then return said end
local whole = said.ok or ''
for _, one in ipairs(said) do whole = whole .. '|' .. tostring(one) end
return whole
"""
OTHERS = [
    *("return 3.99", "return -1.5", "return true", "return false", "return nil", "return KEYS[1]"),
    *("x = 1", "return x", "return (", "return nil < 1", "error('no')", "return redis.call('GET', nil)"),
    *("return cjson.decode(ARGV[1] or '')[1]", "return #ARGV > 0 and cjson.encode(ARGV)"),
    "redis.call('SET', KEYS[1], 86400) redis.call('HGET', KEYS[1], 'f')",
]


def evaluated(script: Script, *given: Draw) -> Draw:
    ways = (
        ("EVAL", script.text),
        ("EVAL", script.text),
        ("EVALSHA", script.digest),
        ("EVALSHA", script.digest.upper()),
    )
    return joined(mostly(ways), *given)


def fold(part: bytes) -> Draw:
    sets = mostly(WAITS if part == b"open" else SETS, NO_JSON[:2], SETS, WAITS)
    place = mostly([b"w", b'a/\xc3\xa4"\\\x7f\x01', b"\xff"])
    told = mostly(TOLD[part], *TOLD.values(), TOLD_WRONGLY)
    run = always((b"5", *OF_RUN, b"p:", b"1"))
    return evaluated(index._FOLD, run, sequence, always(part), place, sets, told)


def fields(chance: Random) -> Command:
    told = several(field, value, least=0)(chance)
    return (b"%d" % (len(told) // 2), *told)


sequence = mostly([b"1", b"2", b"3", b"4"], [b"", b"x", b"9007199254740993"])
seal = mostly([b"", b"s", b"\xff"])
write = evaluated(
    projection._WRITE,
    *(always((b"1", ENTITY)), sequence, mostly([b"next", b"whole", b"mend"], [b"x"])),
    *(mostly([b"", b"9.5"]), mostly([b"", b"4102444800000"], [b"1", b"x"]), seal, sequence, seal),
    *(one_of(*[fields] * 7, number), several(field, least=0)),
)
folds = one_of(*map(fold, TOLD))
begin = evaluated(index._BEGIN, always((b"2", MARK, b"a")), lasting)
leave = evaluated(index._LEAVE, always((b"1", MARK)))
TABLES_IN_TABLES = ["SCAN", "ZREVRANGEBYSCORE"]
in_a_script = one_of(*(plain(name) for name in FORMS if name not in TABLES_IN_TABLES))
of_a_command = evaluated(Script.of(OF_A_COMMAND), always(b"0"), in_a_script)
given = mostly([b"0", b"1"], INTEGERS, NO_INTEGERS), several(mostly([*VALUES, *SETS, *NO_JSON]))
others = one_of(*(evaluated(Script.of(text), *given) for text in OTHERS))

# --- Sequences ------------------------------------------------------------------------------------

OFTEN = [*(FORMS.keys() - {"FLUSHALL"}), *["SET", "HSET", "HSET", "ZADD", "ZADD"] * 2]
commands = one_of(*map(plain, [*sorted(OFTEN) * 4, "FLUSHALL"]))
some_scripts = one_of(folds, write, begin, leave, others, of_a_command)
LIVES = [
    one_of(commands, some_scripts),
    *(one_of(*(plain(name) for name in FORMS if name[0] in kind)) for kind in ("Z", "H", "DEGPSTU")),
    one_of(*[folds] * 12, begin, leave, leave, commands, commands),
    one_of(*[write] * 15, commands),
]


def drawn(seed: int) -> list[Command]:
    chance = Random(seed)  # noqa: S311 - repeatable, not secret
    life = LIVES[seed % len(LIVES)]
    return [("SET", MARK, b"ready"), *(life(chance) for _ in range(chance.randrange(LENGTH)))]


EVALS = {"EVAL", "EVALSHA"}
NEVER_REFUSED = ["FLUSHALL", "PING"]
OF_ONE_TYPE = [name for name in FORMS if name[0] in "HZ" or name == "GET"]
RARE = {
    "SET": ["None"],
    "DEL": ["2"],
    "PEXPIRE": ["True"],
    "PEXPIREAT": ["True"],
    "PERSIST": ["True"],
    "EVALSHA": ["NoScriptError"],
    "_FOLD": ["b'flushed'", "b'folded'", "WRONGTYPE"],
    "_WRITE": ["b'written'", "b'behind'", "b'ahead'"],
    "_BEGIN": ["0", "1"],
    "_LEAVE": ["1"],
}

# --- Tests ----------------------------------------------------------------------------------------

Seen = Counter[tuple[str | bytes, str]]
Tell = Callable[[list[Command]], Compared]


@pytest.fixture(scope="module")
def tell() -> Generator[Tell]:
    with asyncio.Runner() as runner:
        opened = model_and_server()
        both = runner.run(opened.__aenter__())
        yield lambda told: runner.run(both.tell(told))
        runner.run(opened.__aexit__(None, None, None))


def compare(tell: Tell, seeds: Iterable[int]) -> Seen:
    """Give sequences of commands to both; count how each command and script was answered."""
    seen: Seen = Counter()
    for seed in seeds:
        told = drawn(seed)
        compared = tell(told)
        assert not compared.differences, shortest(told, lambda less: tell(less).differences)
        seen.update(chain(*map(outcomes, told, compared.answers)))
    return seen


def shortest(told: list[Command], differences: Callable[[list[Command]], list[str]]) -> str:
    """Leave out what does not matter, and call scripts by their names."""
    for place in reversed(range(len(told))):
        less = told[:place] + told[place + 1 :]
        told = less if differences(less) else told
    named = [tuple(OURS.get(str(one), one) for one in command) for command in told]
    return "\n".join([*map(str, named), "", *differences(told)])


def outcomes(command: Command, answer: Any) -> Iterable[tuple[str | bytes, str]]:
    names = [command[0], *(OURS[one] for one in command[1:2] if one in OURS)]
    refused = isinstance(answer, Refusal)
    return product(names, ["refused", answer.kind] if refused else ["answered", str(answer)])


@pytest.mark.timeout(240)
def test_the_model_answers_and_keeps_what_the_server_does(tell: Tell) -> None:
    seen = compare(tell, range(SEQUENCES))

    each = [*FORMS, *EVALS, *OURS.values()]
    assert [name for name in each if not seen[name, "answered"]] == []
    assert [name for name in each if not seen[name, "refused"] and name not in NEVER_REFUSED] == []
    assert [name for name in OF_ONE_TYPE if not seen[name, "WRONGTYPE"]] == []
    assert [(name, how) for name, hows in RARE.items() for how in hows if not seen[name, how]] == []


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("first", range(0, 100_000, AT_ONCE))
def test_the_model_answers_and_keeps_what_the_server_does_for_hours(tell: Tell, first: int) -> None:
    compare(tell, range(first, first + AT_ONCE))


def test_every_command_that_the_model_knows_is_given_to_both() -> None:
    known = {name.removeprefix("_do_").upper() for name in dir(Store) if name.startswith("_do_")}

    assert known == FORMS.keys() | EVALS


def test_every_script_of_a_service_is_given_to_both() -> None:
    sources = [path.read_text() for path in Path(towpath_entity_store.__file__).parent.rglob("*.py")]

    assert sum(source.count("Script.of(") for source in sources) == len(set(OURS.values()))
