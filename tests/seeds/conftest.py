"""Every sample begins with an empty registry."""

from collections.abc import AsyncIterator, Iterator

import pytest

from towpath.components import REGISTRY
from towpath.testing import VirtualPlatform


@pytest.fixture(autouse=True)
def empty_registry() -> Iterator[None]:
    REGISTRY.clear()
    yield
    REGISTRY.clear()


@pytest.fixture(params=[False, True], ids=["held", "replayed"])
async def platform(request: pytest.FixtureRequest) -> AsyncIterator[VirtualPlatform]:
    """The platform in virtual time: runs are held in memory or, again, dropped and replayed after every record."""
    async with VirtualPlatform(always_replay=request.param) as standing:
        yield standing
