"""A folder of tools that is loaded while the agent runs."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from towpath import Agent
from towpath.tools.watching import WATCHING

TOOL = '''
from towpath import tool

@tool
def {name}(x: str = "") -> str:
    """Say something."""
    return "{says}"
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    made = tmp_path / "tools"
    made.mkdir()
    return made


@pytest.fixture
def agent(folder: Path) -> Iterator[Agent]:
    (folder / "greet.py").write_text(TOOL.format(name="greet", says="hello"))
    (folder / "_private.py").write_text("raise RuntimeError('not to be loaded')")
    loading = Agent("test/echo", load_tools_from_directory=True, callback_handler=None)
    yield loading
    loading.cleanup()


def until(condition: Callable[[], bool]) -> None:
    """Wait for what another thread does, ten seconds at the most."""
    for _ in range(1_000):
        if condition():
            return
        threading.Event().wait(0.01)
    pytest.fail("it did not happen")


def says(agent: Agent, name: str) -> str:
    return agent.toolbox[name]()


def test_the_tools_in_the_folder_are_there_at_once(agent: Agent) -> None:
    assert agent.tool_names == ["greet"]
    assert says(agent, "greet") == "hello"


def test_a_file_that_is_saved_is_loaded_again_and_a_new_one_found(agent: Agent, folder: Path) -> None:
    (folder / "greet.py").write_text(TOOL.format(name="greet", says="good morning"))
    until(lambda: says(agent, "greet") == "good morning")
    (folder / "leave.py").write_text(TOOL.format(name="leave", says="goodbye"))
    until(lambda: "leave" in agent.tool_names)

    assert [spec.name for spec in agent.toolbox.specs] == ["greet", "leave"]


def test_a_file_that_is_swapped_in_is_loaded(agent: Agent, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "new.py").write_text(TOOL.format(name="greet", says="swapped"))

    (tmp_path / "new.py").replace(folder / "greet.py")

    until(lambda: says(agent, "greet") == "swapped")


def test_a_broken_file_is_logged_and_a_deleted_ones_tools_stay(
    agent: Agent, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "greet.py").write_text("def broken(:")
    until(lambda: "a file of tools is left out" in caplog.text)
    (folder / "greet.py").unlink()

    assert says(agent, "greet") == "hello"


def test_the_one_observer_stops_with_the_last_agent(folder: Path) -> None:
    agents = [Agent("test/echo", load_tools_from_directory=True) for _ in range(2)]
    agents[0].cleanup()
    still = WATCHING.is_running
    agents[1].cleanup()
    agents[1].cleanup()

    assert (still, WATCHING.is_running) == (True, False)


async def test_an_agent_is_tidied_up_at_the_end_of_a_block_and_works_on(folder: Path) -> None:
    async with Agent("test/echo", load_tools_from_directory=True, callback_handler=None) as agent:
        assert WATCHING.is_running

    assert not WATCHING.is_running
    assert (await agent.invoke_async("hello")).output == "hello"


def test_without_a_folder_nothing_is_watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert Agent("test/echo", load_tools_from_directory=True).tool_names == []
    assert not WATCHING.is_running


def test_an_agent_that_was_not_tidied_up_warns_when_it_is_gone(folder: Path) -> None:
    forgotten = [Agent("test/echo", load_tools_from_directory=True)]

    with pytest.warns(ResourceWarning, match=r"call agent.cleanup\(\)"):
        forgotten.clear()

    Agent("test/echo", load_tools_from_directory=True).cleanup()
    assert not WATCHING.is_running
