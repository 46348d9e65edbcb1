"""`ctx.trace_span()`: spans of a component's own, below the span of its run."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Protocol

from opentelemetry.trace import Span, StatusCode, get_tracer, use_span

from towpath.context_services.attributes import attributes_of
from towpath.secrecy import redacted
from towpath_schemas.telemetry import USER_CODE


class Traced(Protocol):
    """What spans need of a context."""

    @property
    def silent(self) -> bool:
        """Whether the code only repeats what it did before, or will be repeated by whoever goes on with the run."""
        ...


class Spans:
    """Begins spans in the trace of the run."""

    def __init__(self, context: Traced) -> None:
        self._context = context

    @contextmanager
    def start(self, name: str, /, **attributes: Any) -> Generator[Span]:
        """Record what the block does as a span; a failure in it is the span's as well.

        A span is told where its block ends: not in code that is replayed, and not where the run is only dropped from
        memory, so each is told once.

        Args:
            name: What is done.
            **attributes: With what, such as `service="payments"`.

        Yields:
            OpenTelemetry's span, for further attributes and events.
        """
        span = get_tracer(USER_CODE).start_span(name, attributes=attributes_of(attributes))
        try:
            with use_span(span, record_exception=False, set_status_on_exception=False):
                yield span
        except Exception as error:
            _note(span, error)
            raise
        finally:
            if not self._context.silent:
                span.end()


def _note(span: Span, error: Exception) -> None:
    """Say that the block failed; the error's words are kept, but for secrets."""
    kind, said = type(error).__name__, redacted(str(error))
    span.set_status(StatusCode.ERROR, f"{kind}: {said}")
    span.add_event("exception", {"exception.type": kind, "exception.message": said})
