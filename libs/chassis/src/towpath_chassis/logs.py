"""Log lines: a constant sentence and fields, one JSON object each; who and which run are bound already."""

import logging
import sys
from collections.abc import Callable
from typing import Any

import orjson
import structlog

from towpath_chassis.settings import ServiceSettings

_redactions: list[Callable[[str], str]] = []


def redact_logs(redact: Callable[[str], str]) -> None:
    """Have every log line of this process, as it would be written, pass `redact` first."""
    if redact not in _redactions:
        _redactions.append(redact)


def configure_logs(settings: ServiceSettings, *, service: str) -> None:
    """Set up structlog for this process; lines go to stderr."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *_rendering(settings),
            _redacted,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[settings.log_level]
        ),
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer)
        if settings.log_format == "json"
        else structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.bind_contextvars(service=service, instance=settings.instance)


def _rendering(settings: ServiceSettings) -> list[Any]:
    if settings.log_format == "console":
        return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer=_as_json)]


def _redacted(_logger: Any, _method: str, line: Any) -> Any:
    """Take out of a rendered line what must not be in it."""
    if not _redactions:
        return line
    text: str = line.decode() if isinstance(line, bytes) else line
    for redact in _redactions:
        text = redact(text)
    return text.encode() if isinstance(line, bytes) else text


def _as_json(line: Any, **_options: Any) -> bytes:
    return orjson.dumps(line, default=repr)
