"""`ctx.log()`: what a run's logger is."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Literal

Level = Literal["debug", "info", "warning", "error", "critical"]


class RunLog(ABC):
    """A logger on which run, step, trace and attribution are bound already.

    It understands what loggers of `logging` and of structlog are told: an event, values for its `%s` (or one mapping for
    its `%(name)s`), fields by name or in `extra`, and `exc_info`.
    """

    def debug(self, event: str, /, *values: Any, **fields: Any) -> None:
        """Log for developers."""
        self._log("debug", event, values, fields)

    def info(self, event: str, /, *values: Any, **fields: Any) -> None:
        """Log what happened."""
        self._log("info", event, values, fields)

    def warning(self, event: str, /, *values: Any, **fields: Any) -> None:
        """Log what may be wrong."""
        self._log("warning", event, values, fields)

    warn = warning

    def error(self, event: str, /, *values: Any, **fields: Any) -> None:
        """Log what is wrong."""
        self._log("error", event, values, fields)

    def exception(self, event: str, /, *values: Any, **fields: Any) -> None:
        """Log what is wrong, with the exception that is being handled."""
        self._log("error", event, values, {"exc_info": True, **fields})

    def critical(self, event: str, /, *values: Any, **fields: Any) -> None:
        """Log what nothing can go on with."""
        self._log("critical", event, values, fields)

    def bind(self, **fields: Any) -> "RunLog":
        """Return a logger that says these fields each time."""
        return _Bound(self, fields)

    def _log(self, level: Level, event: str, values: tuple[Any, ...], fields: dict[str, Any]) -> None:
        extra: Any = fields.pop("extra", None)
        said: dict[str, Any] = {**fields, **extra} if isinstance(extra, dict) else fields
        if "event" in said:  # the sentence has this name
            said["event_"] = said.pop("event")
        self.write(level, _formatted(event, values), said)

    @abstractmethod
    def write(self, level: Level, event: str, fields: dict[str, Any]) -> None:
        """Write one line."""


class _Bound(RunLog):
    def __init__(self, log: RunLog, fields: dict[str, Any]) -> None:
        self._outer = log
        self._fields = fields

    def write(self, level: Level, event: str, fields: dict[str, Any]) -> None:
        self._outer.write(level, event, {**self._fields, **fields})


def _formatted(event: str, values: tuple[Any, ...]) -> str:
    """Put values into a sentence; where they do not fit they stand behind it, as a log line is no reason to fail."""
    if not values:
        return event
    named = "%(" in event and len(values) == 1 and isinstance(values[0], Mapping)
    try:
        return event % (values[0] if named else values)
    except (TypeError, ValueError):
        return f"{event} {values!r}"
