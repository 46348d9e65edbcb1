"""The logger of a run in this process: the standard library's, with the fields behind the sentence."""

import logging
from typing import Any

from towpath.secrecy import redacted

_logger = logging.getLogger("towpath")  # noqa: TID251 - a plain script has no structlog


class LocalLog:
    """A `RunLog` that knows its run."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id

    def debug(self, event: str, **fields: Any) -> None:
        """Log what helps to find an error."""
        self._log(logging.DEBUG, event, fields)

    def info(self, event: str, **fields: Any) -> None:
        """Log what happens."""
        self._log(logging.INFO, event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        """Log what should not happen often."""
        self._log(logging.WARNING, event, fields)

    def error(self, event: str, **fields: Any) -> None:
        """Log what went wrong."""
        self._log(logging.ERROR, event, fields)

    def _log(self, level: int, event: str, fields: dict[str, Any]) -> None:
        if not _logger.isEnabledFor(level):
            return
        exc_info = fields.pop("exc_info", None)
        fields.update(fields.pop("extra", {}))
        shown = "".join(f" {name}={value!r}" for name, value in fields.items())
        _logger.log(level, "%s run_id=%s", redacted(f"{event}{shown}"), self._run_id, exc_info=exc_info)
