"""An OTLP receiver for tests: takes the spans and metrics that services send, over HTTP on loopback."""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Span(NamedTuple):
    """One span: which service sent it, of which trace, below which other span."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str


class Counted(NamedTuple):
    """The newest state of one series of a counter: who counted what, and the traces that its exemplars name."""

    service: str
    name: str
    attributes: dict[str, str]
    value: float
    trace_ids: frozenset[str]


class Spans:
    """What has arrived so far, and where it is sent."""

    def __init__(self) -> None:
        self.arrived: list[Span] = []
        self.bodies: list[bytes] = []
        self.counted: list[Counted] = []
        self.url = ""

    def of_trace(self, trace_id: str) -> list[Span]:
        """List the spans of one trace."""
        return [span for span in self.arrived if span.trace_id == trace_id]

    def take(self, path: str, body: bytes) -> None:
        """Take in what a service sent."""
        self.bodies.append(body)
        if path.endswith("/v1/metrics"):
            self._take_metrics(body)
        else:
            self._take_spans(body)

    def _take_metrics(self, body: bytes) -> None:
        for sent in ExportMetricsServiceRequest.FromString(body).resource_metrics:
            names = {one.key: one.value.string_value for one in sent.resource.attributes}
            self.counted += [
                Counted(
                    names["service.name"],
                    metric.name,
                    {one.key: one.value.string_value for one in point.attributes},
                    point.as_int or point.as_double,
                    frozenset(exemplar.trace_id.hex() for exemplar in point.exemplars),
                )
                for scope in sent.scope_metrics
                for metric in scope.metrics
                for point in metric.sum.data_points
            ]

    def _take_spans(self, body: bytes) -> None:
        for sent in ExportTraceServiceRequest.FromString(body).resource_spans:
            names = {one.key: one.value.string_value for one in sent.resource.attributes}
            self.arrived += [
                Span(
                    names["service.name"],
                    span.name,
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                )
                for scope in sent.scope_spans
                for span in scope.spans
            ]


@contextmanager
def received_spans() -> Generator[Spans]:
    """Receive spans until the end of the block."""
    spans = Spans()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            spans.take(self.path, self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    spans.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield spans
    finally:
        server.shutdown()
        server.server_close()
