"""What `import towpath` gives, and what it does not load."""

import ast
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import towpath

DEFINITIONS = sorted(set(towpath.__all__) - {"Client", "OpenAIModel", "Worker"})
HEAVY = (
    "nats",
    "faststream",
    "openai",
    "opentelemetry",
    "structlog",
    "httpx",
    "towpath_chassis",
    "towpath.runtime",
)


def loaded_after(program: str) -> set[str]:
    asked = f"{program}\nimport sys\nprint(*sys.modules)"
    command = [sys.executable, "-c", asked]
    return set(subprocess.check_output(command, text=True).split())  # noqa: S603 - our own program


def test_importing_the_package_loads_nothing_but_itself() -> None:
    loaded = loaded_after("import towpath")

    assert {name for name in loaded if name.startswith("towpath")} == {"towpath"}
    assert "pydantic" not in loaded


def test_the_definitions_load_no_server_no_provider_and_no_telemetry() -> None:
    loaded = loaded_after(f"from towpath import {', '.join(DEFINITIONS)}")

    assert loaded.isdisjoint(HEAVY)
    assert "towpath.agents.agent" in loaded


@pytest.mark.parametrize("name", towpath.__all__)
def test_every_public_name_is_there_once_and_listed_for_type_checkers(name: str) -> None:
    assert getattr(towpath, name) is getattr(towpath, name)
    assert name in dir(towpath)
    assert name in names_for_type_checkers()


def test_nothing_is_listed_twice_or_only_for_type_checkers() -> None:
    assert len(set(towpath.__all__)) == len(towpath.__all__)
    assert names_for_type_checkers() == set(towpath.__all__)


def test_the_package_says_which_version_it_is() -> None:
    assert towpath.__version__ == version("towpath")


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Agnet'"):
        _ = towpath.Agnet


def names_for_type_checkers() -> set[str]:
    tree = ast.parse(Path(towpath.__file__).read_text())
    guarded = [node for node in tree.body if isinstance(node, ast.If)]
    imports = [one for node in guarded for one in node.body if isinstance(one, ast.ImportFrom)]
    return {alias.asname or alias.name for one in imports for alias in one.names}
