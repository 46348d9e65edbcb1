"""What a run in this process takes from outside; tests give it their own."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random

from towpath.components import REGISTRY, Registry
from towpath.entity_handle import EntityCaller
from towpath.local.calls import Callee
from towpath.local.entity_store import ENTITIES, EntityStore
from towpath.remembering.asking import MemoryIndex


def _wall_clock() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - this is the clock that others are given


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where components are found, where entities live, what time it is, and what chance says.

    Attributes:
        elsewhere: How a callee reaches entities that are not this process's own; None where `entities` are meant.
        memories: Where the memories of such are asked for; None where those in `entities` are meant.
    """

    registry: Registry = REGISTRY
    entities: EntityStore = ENTITIES
    elsewhere: Callable[[Callee], EntityCaller] | None = None
    memories: MemoryIndex | None = None
    clock: Callable[[], datetime] = _wall_clock
    random: Random = field(default_factory=Random)
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
