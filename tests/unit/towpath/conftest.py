"""Every test begins with an empty registry, and leaves no script behind."""

from collections.abc import Iterator

import pytest

from towpath import InMemoryMemoryService, Memory
from towpath.components import REGISTRY
from towpath.local.entity_store import ENTITIES
from towpath_testkit.remembered import SERVICES


@pytest.fixture(autouse=True)
def empty_registry() -> Iterator[None]:
    REGISTRY.clear()
    yield
    REGISTRY.clear()


@pytest.fixture
def nothing_kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Begin with no entity of a script, and compare memories by their words."""
    monkeypatch.setenv("TOWPATH_DEFAULT_EMBEDDER", "test/words")
    yield
    ENTITIES.__init__()


@pytest.fixture(params=SERVICES.values(), ids=[*SERVICES])
def memory(request: pytest.FixtureRequest) -> Iterator[Memory]:
    """Give a memory of each service, which keeps nothing for the next test."""
    yield Memory(service=request.param)
    if isinstance(request.param, InMemoryMemoryService):
        request.param.__init__()
