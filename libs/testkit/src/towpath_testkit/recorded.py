"""What user code records by OpenTelemetry's own means in this process, kept in memory."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any
from unittest.mock import patch

from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


class Recorded:
    """The spans and measurements of one test."""

    def __init__(self, exporter: InMemorySpanExporter, reader: InMemoryMetricReader) -> None:
        self._exporter = exporter
        self._reader = reader

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        """The spans that have ended, in that order."""
        return self._exporter.get_finished_spans()

    def measured(self, *names: str) -> list[tuple[float, Mapping[str, Any]]]:
        """Return what was measured since this was asked last: (value or sum, attributes) of each series of `names`."""
        data = self._reader.get_metrics_data()
        points: list[Any] = [
            point
            for of_resource in (data.resource_metrics if data else ())
            for of_scope in of_resource.scope_metrics
            for name in names
            for metric in of_scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]
        return [
            (getattr(one, "sum", None) or getattr(one, "value", 0), dict(one.attributes)) for one in points
        ]

    def forget(self) -> None:
        """Forget what was recorded before now."""
        self._exporter.clear()
        self._reader.get_metrics_data()


@contextmanager
def recorded_telemetry() -> Generator[Recorded]:
    """Record until the end of the block; what was recorded before is forgotten."""
    recorded, tracers = _of_this_process()
    recorded.forget()
    with patch.object(trace, "_TRACER_PROVIDER", tracers):  # a simulation after it must know nothing of spans
        yield recorded


@lru_cache(maxsize=1)
def _of_this_process() -> tuple[Recorded, TracerProvider]:
    """Choose where metrics go, which a process can do once, and where spans go while they are recorded."""
    exporter = InMemorySpanExporter()
    tracers = TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    since_last = dict.fromkeys((Counter, Histogram), AggregationTemporality.DELTA)
    reader = InMemoryMetricReader(preferred_temporality=since_last)
    metrics.set_meter_provider(MeterProvider([reader]))
    return Recorded(exporter, reader), tracers
