"""A broker and a registry of each test's own, and the platform on them."""

from collections.abc import AsyncGenerator, Generator

import pytest

from towpath_testkit.hosting import Platform, own_registry, platform
from towpath_testkit.servers import Servers, servers
from towpath_testkit.takeovers import ThreeSteps


@pytest.fixture(autouse=True)
def registry() -> Generator[None]:
    with own_registry():
        yield


@pytest.fixture
async def broker() -> AsyncGenerator[Servers]:
    async with servers(redis=False) as started:
        yield started


@pytest.fixture
async def towpath(broker: Servers) -> AsyncGenerator[Platform]:
    async with platform(broker.nats.url) as hosting:
        yield hosting


@pytest.fixture
def stage() -> ThreeSteps:
    return ThreeSteps()
