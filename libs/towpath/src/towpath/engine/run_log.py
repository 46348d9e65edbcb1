"""The loggers of runs and calls: run, component, trace and attribution are bound; replayed code logs nothing twice."""

from typing import Any

import structlog

from towpath.context_services.logs import Level, RunLog
from towpath.engine.live_run import LiveRun


class StructuredLog(RunLog):
    """A `RunLog` that writes what structlog is configured to write.

    Args:
        name: The logger's name.
        **bound: What each line says.
    """

    def __init__(self, name: str, **bound: Any) -> None:
        self._bound = structlog.get_logger(name).bind(**bound)

    def write(self, level: Level, event: str, fields: dict[str, Any]) -> None:
        """Write one line."""
        getattr(self._bound, level)(event, **fields)


class ReplayQuietLog(StructuredLog):
    """A logger that says nothing while the code of a run repeats what it said before."""

    def __init__(self, run: LiveRun) -> None:
        super().__init__(
            "towpath.run",
            run_id=run.run_id,
            component=run.started.component,
            traceparent=run.started.traceparent,
            **run.started.attribution.model_dump(exclude_none=True),
        )
        self._run = run

    def write(self, level: Level, event: str, fields: dict[str, Any]) -> None:
        """Write one line, unless it was written before."""
        if not self._run.replay.goes_on:
            super().write(level, event, fields)
