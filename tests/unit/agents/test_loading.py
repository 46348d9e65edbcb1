"""What may stand in the `tools` of an agent."""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from towpath import Agent, ConfigurationError, RegistrationError, script, tool, tool_call
from towpath.agents.toolbox import Toolbox
from towpath.components import REGISTRY, ComponentType
from towpath.tools.function_tool import tool_of

DECORATED = '''
from towpath import tool

@tool
def search(query: str) -> str:
    """Search."""
    return f"{query}: 3"

@tool
def count(text: str) -> int:
    """Count."""
    return len(text)

def plain(x: int) -> int:
    """Double."""
    return 2 * x
'''

WRITTEN = """
TOOL_SPEC = {
    "name": "greet",
    "description": "Greet somebody.",
    "inputSchema": {"json": {"type": "object", "properties": {"who": {"type": "string"}}, "required": ["who"]}},
}

def greet(tool, **kwargs):
    text = f"Hello {tool['input']['who']} from {kwargs.get('place', 'nowhere')}"
    return {"toolUseId": tool["toolUseId"], "status": "success", "content": [{"text": text}]}
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module `toolshed.hand` that can be imported."""
    (tmp_path / "toolshed").mkdir()
    (tmp_path / "toolshed" / "__init__.py").touch()
    (tmp_path / "toolshed" / "hand.py").write_text(DECORATED)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    for name in ("toolshed", "toolshed.hand"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return __import__("toolshed.hand", fromlist=["hand"])


def _know(x: int) -> int:
    """Know."""
    return x


known = tool_of(_know, name="known")


def double(x: int) -> int:
    """Double."""
    return 2 * x


def test_tools_functions_agents_and_nested_lists() -> None:
    agent = Agent("test/echo", name="Guide", description="Guides.")

    box = Toolbox([known, [double, (agent,)]])

    assert [*box] == ["known", "double", "guide"]
    assert [spec.description for spec in box.specs] == ["Know.", "Double.", "Guides."]


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("toolshed.hand", ["search", "count"]),
        ("toolshed.hand:count", ["count"]),
        ("toolshed.hand:plain", ["plain"]),
    ],
)
def test_modules_by_name(package: ModuleType, given: str, names: list[str]) -> None:
    assert [*Toolbox([given])] == names


def test_a_module_itself(package: ModuleType) -> None:
    assert [*Toolbox([package])] == ["search", "count"]


def test_files_by_path(tmp_path: Path) -> None:
    file = tmp_path / "shed.py"
    file.write_text(DECORATED)

    assert [*Toolbox([str(file)])] == ["search", "count"]
    assert [*Toolbox([{"name": "search", "path": str(file)}])] == ["search"]
    assert [*Toolbox([{"path": file}, f"{file}:plain"])] == ["search", "count", "plain"]


def test_a_file_that_has_changed_is_loaded_anew_and_its_tools_replaced(tmp_path: Path) -> None:
    file = tmp_path / "shed.py"
    file.write_text(DECORATED)
    before = Toolbox([str(file)])

    file.write_text(DECORATED.replace(": 3", ": 4"))
    after = Toolbox([str(file)])

    assert (before["search"]("boats"), after["search"]("boats")) == ("boats: 3", "boats: 4")
    assert REGISTRY.find(ComponentType.TOOL, "search") is after["search"].component


def test_a_file_that_breaks_leaves_what_there_was(tmp_path: Path) -> None:
    file = tmp_path / "shed.py"
    file.write_text(DECORATED)
    before = Toolbox([str(file)])

    file.write_text(DECORATED + "\nraise RuntimeError('unfinished')\n")
    with pytest.raises(RegistrationError, match="unfinished"):
        Toolbox([str(file)])

    assert REGISTRY.find(ComponentType.TOOL, "search") is before["search"].component


def test_a_tool_that_is_written_as_a_module(tmp_path: Path) -> None:
    (tmp_path / "greet.py").write_text(WRITTEN)
    script("greeter", [tool_call("greet", who="Ada"), "done"])
    agents = [
        Agent("test/greeter", tools=[str(tmp_path / "greet.py")], callback_handler=None) for _ in range(2)
    ]

    agents[1]("go", invocation_state={"place": "home"})

    assert agents[1].messages[2]["content"][0]["toolResult"]["content"] == [{"text": "Hello Ada from home"}]
    assert agents[0].toolbox["greet"].description == "Greet somebody."


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("nowhere/at_all.py", "Failed to load tool nowhere/at_all.py: FileNotFoundError"),
        ("no.such.module", "Failed to load tool no.such.module: ModuleNotFoundError"),
        ("json:loads_of", "Failed to load tool json:loads_of: there is no tool and no function 'loads_of'"),
        ("json", "Failed to load tool json: it holds no tool"),
        ({"name": "x", "path": 3}, "Failed to load tool 'x': its path is 3"),
    ],
)
def test_what_cannot_be_loaded_is_named(given: Any, message: str) -> None:
    with pytest.raises(ValueError, match="Failed to load tool") as error:
        Toolbox([given])

    assert str(error.value).startswith(message)


@pytest.mark.parametrize("given", [7, None, {"name": "x"}, object])
def test_what_is_no_tool_is_refused(given: Any) -> None:
    with pytest.raises(ConfigurationError, match="is no tool; tools are"):
        Toolbox([given])


def test_a_spec_that_lacks_something_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("TOOL_SPEC = {'name': 'a'}")
    (tmp_path / "b.py").write_text(WRITTEN.replace("def greet", "def welcome"))

    with pytest.raises(RegistrationError, match="TOOL_SPEC needs a name, a description and an inputSchema"):
        Toolbox([str(tmp_path / "a.py")])
    with pytest.raises(RegistrationError, match="TOOL_SPEC names 'greet', but there is no function"):
        Toolbox([str(tmp_path / "b.py")])


def test_two_tools_of_one_name_or_nearly_are_refused() -> None:
    @tool(name="fetch-page")
    def fetch_page() -> None: ...

    @tool(name="fetch_page")
    def other() -> None: ...

    def known(x: str) -> str:
        """Know otherwise."""
        return x

    with pytest.raises(ValueError, match="two tools are named 'known'"):
        Toolbox([globals()["known"], known])
    with pytest.raises(ValueError, match="'fetch-page' and 'fetch_page' differ by - and _ only"):
        Toolbox([fetch_page, other])
