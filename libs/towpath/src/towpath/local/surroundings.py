"""What a run in this process takes from outside; tests give it their own."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random, SystemRandom

from towpath.components import REGISTRY, Registry
from towpath.entity_handle import EntityCaller
from towpath.local.calls import Callee
from towpath.local.entity_store import ENTITIES, EntityStore
from towpath.remembering.asking import MemoryIndex

_CHANCE = SystemRandom()


def _wall_clock() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)


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
    random: Random = _CHANCE
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
