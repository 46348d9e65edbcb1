"""What tests of several parts begin with."""

from collections.abc import Iterator

import pytest

from towpath.models.prices import clear_prices


@pytest.fixture
def no_prices(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Begin where nobody has said what models cost, and forget what the test says."""
    monkeypatch.delenv("TOWPATH_MODEL_PRICES", raising=False)
    clear_prices()
    yield
    clear_prices()
