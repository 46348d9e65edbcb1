"""One platform of processes for all end-to-end tests of a worker, and a plain NATS client to watch it."""

# nats-py is untyped in part, and a plain client is what this is about.
# pyright: reportUnknownMemberType=false

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import nats
import pytest
from nats.aio.client import Client

from towpath_testkit.stage import Stage

APP = Path(__file__).with_name("journey.py")


@contextmanager
def put_up(stage: Stage) -> Generator[Stage]:
    asyncio.run(stage.put_up())
    try:
        yield stage
    finally:
        asyncio.run(stage.take_down())


def world_below(directory: Path) -> dict[str, str]:
    """Make an outside world for user code to change; return how the code is told of it."""
    world = directory / "world"
    (world / "effects").mkdir(parents=True)
    (world / "attempts").touch()
    return {"JOURNEY_WORLD": str(world)}


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Generator[Stage]:
    directory = tmp_path_factory.mktemp("e2e")
    with put_up(Stage(APP, directory, environment=world_below(directory))) as started:
        yield started


@pytest.fixture(scope="module")
def doomed_stage(tmp_path_factory: pytest.TempPathFactory) -> Generator[Callable[..., Stage]]:
    """Put up a stage whose services die at the writes that the folder `doom` in its directory names."""
    with ExitStack() as stages:

        def start(app: Path, **described: Any) -> Stage:
            directory = tmp_path_factory.mktemp("doomed")
            (directory / "doom").mkdir()
            environment = {
                **world_below(directory),
                "DOOM": str(directory / "doom"),
                "PYTHONPATH": str(Path(__file__).with_name("doom")),
            }
            return stages.enter_context(put_up(Stage(app, directory, environment=environment, **described)))

        yield start


@pytest.fixture
async def plain(stage: Stage) -> AsyncGenerator[Client]:
    """A NATS client with no SDK, as any language has one."""
    client = await nats.connect(stage.nats_url, max_reconnect_attempts=-1, reconnect_time_wait=0.05)
    yield client
    await client.close()
