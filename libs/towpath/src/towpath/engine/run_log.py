"""The loggers of runs and calls: run, component, step, trace and attribution are bound; replayed code logs nothing twice."""

from collections.abc import Callable
from typing import Any

import structlog

from towpath.context_services.logs import Level, RunLog
from towpath.engine.live_run import LiveRun
from towpath.secrecy import redacted, redacted_json


class StructuredLog(RunLog):
    """A `RunLog` that writes what structlog is configured to write.

    Args:
        name: The logger's name.
        step: Tells the key of the step that is running, if one is.
        **bound: What else each line says, where it is known.
    """

    def __init__(self, name: str, step: Callable[[], str | None], **bound: Any) -> None:
        self._step = step
        self._bound = structlog.get_logger(name).bind(**_known(bound))

    def write(self, level: Level, event: str, fields: dict[str, Any]) -> None:
        """Write one line; a secret in it is replaced by its name."""
        error = {"exc_info": fields.pop("exc_info")} if "exc_info" in fields else {}
        said = redacted_json({**_known({"step_id": self._step()}), **fields})
        getattr(self._bound, level)(redacted(event), **said, **error)


class ReplayQuietLog(StructuredLog):
    """A logger that says nothing while the code of a run repeats what it said before."""

    def __init__(self, run: LiveRun, step: Callable[[], str | None]) -> None:
        super().__init__(
            "towpath.run",
            step,
            run_id=run.run_id,
            component=run.started.component,
            traceparent=run.started.traceparent,
            **run.started.attribution.model_dump(),
        )
        self._run = run

    def write(self, level: Level, event: str, fields: dict[str, Any]) -> None:
        """Write one line, unless it was written before."""
        if not self._run.replay.goes_on:
            super().write(level, event, fields)


def _known(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
