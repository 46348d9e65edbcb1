"""The logger of a run: run, component, trace and attribution are bound; replayed code logs nothing twice."""

from typing import Any

import structlog

from towpath.engine.live_run import LiveRun


class ReplayQuietLog:
    """A logger that says nothing while the code repeats what it said before."""

    def __init__(self, run: LiveRun, bound: Any) -> None:
        self._run = run
        self._bound = bound

    def debug(self, event: str, **fields: Any) -> None:
        """Log for developers."""
        self._say("debug", event, fields)

    def info(self, event: str, **fields: Any) -> None:
        """Log what happened."""
        self._say("info", event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        """Log what may be wrong."""
        self._say("warning", event, fields)

    def error(self, event: str, **fields: Any) -> None:
        """Log what is wrong."""
        self._say("error", event, fields)

    def _say(self, level: str, event: str, fields: dict[str, Any]) -> None:
        if not self._run.replaying:
            getattr(self._bound, level)(event, **fields)


def run_log(run: LiveRun) -> ReplayQuietLog:
    """Make the logger of a run."""
    started = run.started
    bound = structlog.get_logger("towpath.run").bind(
        run_id=run.run_id,
        component=started.component,
        traceparent=started.traceparent,
        **started.attribution.model_dump(exclude_none=True),
    )
    return ReplayQuietLog(run, bound)
