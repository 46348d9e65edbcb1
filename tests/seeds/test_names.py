"""Every name that `docs/names.md` promises is there, and every name that a sample uses has a row in it."""

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

TABLES = (Path(__file__).parents[2] / "docs" / "names.md").read_text()
HOMES = sorted(set(re.findall(r"`(towpath(?:\.\w+)+)`", TABLES)))
SAMPLES = sorted(set(Path(__file__).parent.glob("test_*.py")) - {Path(__file__)})

OF_THE_TESTS = {
    "towpath.definitions",
    "towpath.engine.execution",
    "towpath.errors",
    "towpath.local.entity_store",
    "towpath.models.port",
    "towpath.testing",
    "towpath.tools.confirmation",
    "towpath.tools.openapi.requests",
}
"""Modules that only what stands around a sample imports: what it runs in, and what is asserted of it."""

STAND_INS = {
    "LocalContext",
    "ModelReply",
    "ModelRequest",
    "NonRetryableError",
    "REGISTRY",
    "SessionError",
    "ToolCall",
    "script",
    "tool_call",
}
"""What stands in for models, workers and failures that a sample takes for granted."""

OF_SAMPLES = {"decode", "get_history", "get_message_count", "my_tool", "param", "post"}
"""What a sample defines itself, or has from Python and other libraries."""

SUBJECTS = {
    "agent",
    "chunk",
    "client",
    "ctx",
    "entity",
    "event",
    "lm",
    "mem",
    "memory",
    "msg",
    "plan",
    "result",
    "session",
    "step",
    "workflow",
}
"""What samples call the objects that the two SDKs give them."""


# --- What the tables promise ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("home", HOMES)
def test_it_is_where_the_table_says(home: str) -> None:
    assert found(home) is not None


def found(home: str) -> Any:
    """Find what a dotted name names: a module, or something in one."""
    package, *names = home.split(".")
    value: Any = import_module(package)
    for number, name in enumerate(names):
        if not hasattr(value, name):
            import_module(".".join([package, *names[: number + 1]]))
        value = getattr(value, name)
    return value


# --- What samples use -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda file: file.stem)
def test_every_name_that_a_sample_uses_has_a_row(sample: Path) -> None:
    missing = names_in(sample.read_text()) - listed(TABLES)

    assert not missing, f"docs/names.md says of none of these where they live: {sorted(missing)}"


def test_a_name_without_a_row_is_noticed() -> None:
    sample = """
from towpath import Agent, Orchestra

async def test_it():
    agent = Agent(colour="red")
    async for event in agent.sing("Hi", voices=3):
        print(event["tone"], event.pitch)
"""

    assert names_in(sample) - listed(TABLES) == {"Orchestra", "colour", "sing", "voices", "tone", "pitch"}


def listed(tables: str) -> set[str]:
    """Find the names that have a row: those in the first cell of one, and the parts of dotted names."""
    cells = [line.split("|")[1] for line in tables.splitlines() if line.startswith("|")]
    return {
        name for cell in cells for code in re.findall(r"`([^`]*)`", cell) for name in re.findall(r"\w+", code)
    }


def names_in(sample: str) -> set[str]:
    """Find what a sample uses of an SDK: what it imports, and attributes, keys and arguments of its objects."""
    used = {name for node in ast.walk(ast.parse(sample)) for name in names_of(node)}
    return used - STAND_INS - OF_SAMPLES


def names_of(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.ImportFrom(module=str() as module, names=names) if module.partition(".")[0] == "towpath":
            yield from (one.name for one in names if module not in OF_THE_TESTS)
        case ast.Attribute(value=ast.Name(id=subject), attr=name) if subject in SUBJECTS:
            yield name
        case ast.Subscript(value=ast.Name(id="event"), slice=ast.Constant(value=str() as key)):
            yield key
        case ast.Call(func=called, keywords=keywords) if is_agent(called):
            yield from (one.arg for one in keywords if one.arg is not None)
        case ast.Assign(targets=[ast.Name(id="PARAMETERS")], value=ast.Dict(keys=keys)):
            yield from (
                one.value for one in keys if isinstance(one, ast.Constant) and isinstance(one.value, str)
            )
        case _:
            pass


def is_agent(called: ast.expr) -> bool:
    """Tell whether what is called is `Agent`, an agent or a method of one."""
    while isinstance(called, ast.Attribute):
        called = called.value
    return isinstance(called, ast.Name) and called.id in {"Agent", "agent"}
