"""Every name that `docs/names.md` promises is there."""

import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

TABLES = Path(__file__).parents[2] / "docs" / "names.md"
HOMES = sorted(set(re.findall(r"`(towpath(?:\.\w+)+)`", TABLES.read_text())))


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
