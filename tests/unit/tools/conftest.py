"""Every test begins with an empty registry, and has no network."""

from collections.abc import Iterator

import pytest

from towpath.components import REGISTRY
from towpath.testing import no_real_models


@pytest.fixture(autouse=True)
def empty_registry() -> Iterator[None]:
    REGISTRY.clear()
    with no_real_models():
        yield
    REGISTRY.clear()
