"""Traces that follow the message: every span we emit, and how it becomes the parent of one elsewhere.

Without an endpoint nothing is recorded and a span costs a function call; trace context still travels.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager

from opentelemetry import metrics, trace
from opentelemetry.metrics import Counter, NoOpMeter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
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
COPIES_AUDITED = "towpath.entity.copies.audited"
"""Counts entities whose copy in Redis was compared with their log, by `verdict`: right, missing, behind, wrong, unreadable."""

_METRICS_EVERY_MS = 5_000
_LAST_METRICS_WITHIN_MS = 2_000

_CONTEXT = TraceContextTextMapPropagator()


class Tracing:
    """The tracer of one service; `Tracing.of` makes it."""

    def __init__(self, provider: TracerProvider | None, endpoint: str = "") -> None:
        self._provider = provider
        self._endpoint = endpoint
        self._meters: MeterProvider | None = None
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
        endpoint = settings.otlp_endpoint.rstrip("/")
        exporter = OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces")
        provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=1_000))
        return cls(provider, endpoint)

    def include_user_code(self) -> None:
        """Send what this process records by OpenTelemetry's own means, too: `ctx.metrics()`, `ctx.trace_span()`.

        A process has one place for that: if the user code, or another service, has chosen one before, that one stays.
        """
        if self._provider is None or isinstance(trace.get_tracer_provider(), TracerProvider):
            return
        trace.set_tracer_provider(self._provider)
        metrics.set_meter_provider(self._metered(self._provider))

    def counter(self, name: str) -> Counter:
        """Begin to count something of the platform's own; without an endpoint nobody is told."""
        if self._provider is None:
            return NoOpMeter("towpath").create_counter(name)
        return self._metered(self._provider).get_meter("towpath").create_counter(name)

    def _metered(self, provider: TracerProvider) -> MeterProvider:
        if self._meters is None:
            from opentelemetry.exporter.otlp.proto.http.metric_exporter import (  # noqa: PLC0415 - see `of`
                OTLPMetricExporter,
            )

            exporter = OTLPMetricExporter(endpoint=f"{self._endpoint}/v1/metrics")
            reader = PeriodicExportingMetricReader(exporter, export_interval_millis=_METRICS_EVERY_MS)
            self._meters = MeterProvider([reader], resource=provider.resource)
        return self._meters

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
        if self._meters is not None:
            self._meters.shutdown(timeout_millis=_LAST_METRICS_WITHIN_MS)


def _traceparent(span: Span) -> str:
    carrier: dict[str, str] = {}
    _CONTEXT.inject(carrier, trace.set_span_in_context(span))
    return carrier["traceparent"]
