"""A run stays with the code it began with, as long as that is registered beside the newer one."""

import asyncio
from typing import Any

import pytest

from towpath.components import REGISTRY, ComponentType, Registry
from towpath.context import Context
from towpath.engine.execution import execute
from towpath.errors import RegistrationError
from towpath.workflows import workflow
from towpath_testkit.held import held
from towpath_testkit.journals import run_started


@pytest.fixture
def registry() -> Registry:
    REGISTRY.clear()

    @workflow("greet")
    async def first(ctx: Context, name: str) -> str:
        return f"hi {name}"

    @workflow("greet", version="2")
    async def second(ctx: Context, name: str) -> str:
        return f"hello {name}"

    return REGISTRY


@pytest.mark.parametrize(("version", "greeting"), [(None, "hi Ada"), ("2", "hello Ada")])
async def test_a_run_is_executed_by_its_version(
    registry: Registry, version: str | None, greeting: str
) -> None:
    run = held(history=[(0, run_started(version=version))])

    finished = await asyncio.create_task(execute(run, registry))

    assert finished.result == greeting


async def test_a_run_whose_version_is_gone_fails_naming_it(registry: Registry) -> None:
    finished = await asyncio.create_task(execute(held(history=[(0, run_started(version="0"))]), registry))

    assert finished.failure is not None
    assert "no workflow 'greet' of version 0 any more" in finished.failure.message


def test_new_runs_take_the_version_that_was_registered_last(registry: Registry) -> None:
    found = registry.find(ComponentType.WORKFLOW, "greet")

    assert found is not None
    assert found.described().version == "2"


def test_a_version_is_registered_once(registry: Registry) -> None:
    with pytest.raises(RegistrationError, match="'greet' of version 2 is registered already"):

        @workflow("greet", version="2")
        async def third(ctx: Context) -> Any: ...


def test_a_version_that_is_no_text_is_refused_at_once() -> None:
    version: Any = 3

    with pytest.raises(RegistrationError, match="version=3: a version is text; write version='3'"):
        workflow(version=version)
