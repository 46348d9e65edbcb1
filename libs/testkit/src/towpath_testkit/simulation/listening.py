"""Takes what the services log: into the world's own log what they complain of, the rest to nobody."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, NoReturn

import structlog

from towpath_testkit.simulation.world import World
from towpath_testkit.virtual_time import process

_COMPLAINTS = {"warning", "error", "critical"}

Said = dict[str, Any]


@contextmanager
def overheard(world: World) -> Generator[None]:
    """Write into the world's log what a service complains of."""

    def take(level: str, said: Said) -> None:
        if level in _COMPLAINTS:
            rest = {name: value for name, value in said.items() if name not in {"event", "level"}}
            world.note(f"{process.get()} says: {said['event']} {rest or ''}")

    with _taken_by(take):
        yield


@contextmanager
def unheard() -> Generator[None]:
    """Let nobody hear what the services log: writing tracebacks takes longer than the simulation."""
    with _taken_by(lambda level, said: None):
        yield


@contextmanager
def _taken_by(take: Callable[[str, Said], None]) -> Generator[None]:
    def processor(_logger: Any, level: str, said: Any) -> NoReturn:
        take(level, said)
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(processors=[processor])
    try:
        yield
    finally:
        structlog.configure(**before)
