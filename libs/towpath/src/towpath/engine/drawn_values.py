"""Values that the code of a run draws from outside: each is recorded, and replay repeats it."""

import asyncio
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

from towpath.engine.asked import Asked
from towpath.engine.live_run import LiveRun
from towpath.engine.readings import Readings
from towpath.scopes import running_task
from towpath.threads import in_loop
from towpath_schemas.journal import Source, ValueDrawn

P = ParamSpec("P")
T = TypeVar("T")


class DrawnValues:
    """What the code of one run has drawn: the time, chance, settings, and whether it runs patched."""

    def __init__(self, run: LiveRun) -> None:
        self._run = run
        self._loop = asyncio.get_running_loop()
        self._readings = Readings()
        self._patches: dict[str, bool] = {}

    def drawn(self, place: str, source: Source, draw: Callable[[], Any]) -> Any:
        """Draw a value, unless the journal has it."""
        return self._in_loop(self._draw, place, source, draw)

    def _in_loop(self, act: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do what may write to the journal; a function in a thread has the loop do it, as the journal's is."""
        return act(*args, **kwargs) if running_task() else in_loop(self._loop, act, *args, **kwargs)

    def _draw(self, place: str, source: Source, draw: Callable[[], Any]) -> Any:
        if self._run.replay.divergence is not None:
            return draw()  # its next act is refused
        settled = self._run.replay.known(Asked(place, source))
        if settled is None:
            settled = ValueDrawn(at=self._run.clock(), key=place, source=source, value=draw())
            self._run.append_soon(settled)
        return cast("ValueDrawn", settled).value

    def setting(self, name: str, place: str, read: Callable[[], Any]) -> Any:
        """Read a setting from outside, once; see `Readings`."""
        return self._readings.read(name, place, read, lambda drawn: self.drawn(place, "config", drawn))

    def patched(self, change: str) -> bool:
        """Tell whether code behind `change` may run; see `Context.patched`."""
        return self._in_loop(self._patched, change)

    def _patched(self, change: str) -> bool:
        taken = self._patches.get(change)
        if taken is None:
            taken = self._patches[change] = self._takes_patch(change)
        return taken

    def _takes_patch(self, change: str) -> bool:
        place = f"patched:{change}"
        if self._run.replay.divergence is not None:
            return True
        if self._run.replay.known(Asked(place, "patched")) is not None:
            return True
        if self._run.replay.goes_on:
            return False
        self._run.append_soon(ValueDrawn(at=self._run.clock(), key=place, source="patched", value=True))
        return True
