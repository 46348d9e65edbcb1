"""Models of every provider against our own server: the keys they need, and nothing of the real environment."""

from collections.abc import AsyncGenerator

import pytest

from towpath.models.openai.clients import close_clients
from towpath.models.providers import PROVIDERS


@pytest.fixture(autouse=True)
async def environment(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[None]:
    for name, about in PROVIDERS.items():
        monkeypatch.setenv(about.key, f"key-of-{name}")
        monkeypatch.delenv(about.url, raising=False)
    monkeypatch.setenv("OPENAI_API_VERSION", "2025-04-01-preview")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("OPENAI_ORG_ID", "our-organisation")
    yield
    await close_clients()
