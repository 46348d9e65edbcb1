"""What is known about users and apps, beyond any conversation."""

from towpath.memory.memory import Memory
from towpath.memory.services import (
    DatabaseMemoryService,
    InMemoryMemoryService,
    MemoryService,
    VectorMemoryService,
)
from towpath.remembering.items import FoundItems, MemoryItem

__all__ = [
    "DatabaseMemoryService",
    "FoundItems",
    "InMemoryMemoryService",
    "Memory",
    "MemoryItem",
    "MemoryService",
    "VectorMemoryService",
]
