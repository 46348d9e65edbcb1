"""What a run in this process takes from outside; tests give it their own."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random

from towpath.components import REGISTRY, Registry
from towpath.local.entity_store import ENTITIES, EntityStore


def _wall_clock() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - this is the clock that others are given


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where components are found, where entities live, what time it is, and what chance says."""

    registry: Registry = REGISTRY
    entities: EntityStore = ENTITIES
    clock: Callable[[], datetime] = _wall_clock
    random: Random = field(default_factory=Random)
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
