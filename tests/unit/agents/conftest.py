"""Every test begins with an empty registry."""

from collections.abc import Iterator

import pytest

from towpath.components import REGISTRY


@pytest.fixture(autouse=True)
def empty_registry() -> Iterator[None]:
    REGISTRY.clear()
    yield
    REGISTRY.clear()
