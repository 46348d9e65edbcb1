"""The logger of a run in this process: the standard library's, with the fields behind the sentence."""

import logging
from typing import Any

from towpath.context_services.logs import Level, RunLog
from towpath.secrecy import redacted

_logger = logging.getLogger("towpath")  # noqa: TID251 - a plain script has no structlog
_LEVELS = logging.getLevelNamesMapping()


class LocalLog(RunLog):
    """A `RunLog` that knows its run."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id

    def write(self, level: Level, event: str, fields: dict[str, Any]) -> None:
        """Write one line to the logger named `towpath`."""
        number = _LEVELS[level.upper()]
        if not _logger.isEnabledFor(number):
            return
        exc_info = fields.pop("exc_info", None)
        shown = "".join(f" {name}={value!r}" for name, value in fields.items())
        _logger.log(number, "%s run_id=%s", redacted(f"{event}{shown}"), self._run_id, exc_info=exc_info)
