"""Traces that follow the message: every name we emit, and how a span becomes the parent of one elsewhere.

Without an endpoint nothing is recorded and a span costs a function call; trace context still travels.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from towpath_chassis.settings import ServiceSettings

ADMIT = "towpath.request.admit"
RUN = "towpath.run"
CALL = "towpath.call"
TURN = "towpath.entity.turn"
TELL = "towpath.audit.tell"

RUN_ID = "towpath.run.id"
COMPONENT = "towpath.component"
KEY = "towpath.key"
TENANT = "towpath.tenant"

_CONTEXT = TraceContextTextMapPropagator()


class Tracing:
    """The tracer of one service; `Tracing.of` makes it."""

    def __init__(self, provider: TracerProvider | None) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("towpath") if provider else None

    @classmethod
    def of(cls, settings: ServiceSettings, *, service: str) -> "Tracing":
        """Set up tracing as the settings say."""
        if settings.otlp_endpoint is None:
            return cls(None)
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 - slow, seldom needed
            OTLPSpanExporter,
        )

        resource = Resource.create(
            {"service.name": f"towpath-{service}", "service.instance.id": settings.instance}
        )
        provider = TracerProvider(resource=resource)
        exporter = OTLPSpanExporter(endpoint=f"{settings.otlp_endpoint.rstrip('/')}/v1/traces")
        provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=1_000))
        return cls(provider)

    @contextmanager
    def span(
        self,
        name: str,
        *,
        parent: str | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Mapping[str, str | int] | None = None,
    ) -> Generator[str | None]:
        """Record a span below `parent` (a W3C traceparent, or the current span).

        Yields:
            The traceparent for whatever is caused inside; without tracing, `parent` itself.
        """
        if self._tracer is None:
            yield parent
            return
        context = _CONTEXT.extract({"traceparent": parent}) if parent else None
        with self._tracer.start_as_current_span(
            name, context=context, kind=kind, attributes=attributes
        ) as span:
            yield _traceparent(span)

    def shutdown(self) -> None:
        """Send what is recorded and not yet sent."""
        if self._provider is not None:
            self._provider.shutdown()


def _traceparent(span: Span) -> str:
    carrier: dict[str, str] = {}
    _CONTEXT.inject(carrier, trace.set_span_in_context(span))
    return carrier["traceparent"]
