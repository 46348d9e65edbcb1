"""What every test leaves as it found it."""

from collections.abc import Generator

import pytest
import structlog


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Generator[None]:
    """A service or a command that starts in this process configures the log lines of all of it."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)
    structlog.contextvars.clear_contextvars()
