"""`ctx.log()`: what a run's logger is."""

from typing import Any, Protocol


class RunLog(Protocol):
    """A structured logger on which run, step, trace and attribution are bound already."""

    def debug(self, event: str, **fields: Any) -> Any:
        """Log for developers."""
        ...

    def info(self, event: str, **fields: Any) -> Any:
        """Log what happened."""
        ...

    def warning(self, event: str, **fields: Any) -> Any:
        """Log what may be wrong."""
        ...

    def error(self, event: str, **fields: Any) -> Any:
        """Log what is wrong."""
        ...
