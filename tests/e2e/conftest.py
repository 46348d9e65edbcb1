"""One platform of processes for all end-to-end tests of a worker, and a plain NATS client to watch it."""

# nats-py is untyped in part, and a plain client is what this is about.
# pyright: reportUnknownMemberType=false

import asyncio
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import nats
import pytest
from nats.aio.client import Client

from towpath_testkit.stage import Stage

APP = Path(__file__).with_name("journey.py")


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Generator[Stage]:
    directory = tmp_path_factory.mktemp("e2e")
    world = directory / "world"
    (world / "effects").mkdir(parents=True)
    (world / "attempts").touch()
    started = Stage(APP, directory, environment={"JOURNEY_WORLD": str(world)})
    asyncio.run(started.put_up())
    try:
        yield started
    finally:
        asyncio.run(started.take_down())


@pytest.fixture
async def plain(stage: Stage) -> AsyncGenerator[Client]:
    """A NATS client with no SDK, as any language has one."""
    client = await nats.connect(stage.nats_url, max_reconnect_attempts=-1, reconnect_time_wait=0.05)
    yield client
    await client.close()
