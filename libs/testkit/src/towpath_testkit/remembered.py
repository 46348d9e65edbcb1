"""Memories in a plain script, of every service there is."""

from collections.abc import Sequence
from typing import Any

from towpath import (
    DatabaseMemoryService,
    InMemoryMemoryService,
    LocalContext,
    MemoryItem,
    VectorMemoryService,
)
from towpath.current import running_in
from towpath.memory import MemoryService
from towpath_schemas.attribution import Attribution

SERVICES: dict[str, MemoryService] = {
    "vector": VectorMemoryService(),
    "hybrid": VectorMemoryService(hybrid=True),
    "in_memory": InMemoryMemoryService(),
    "database": DatabaseMemoryService(),
}


def run_of(user_id: str | None = None, tenant: str = "local") -> Any:
    """Run what follows in a run on behalf of somebody."""
    return running_in(LocalContext(attribution=Attribution(tenant=tenant, user_id=user_id)))


def keys(items: Sequence[MemoryItem]) -> list[str]:
    """Return the keys of memories."""
    return [item.key for item in items]
