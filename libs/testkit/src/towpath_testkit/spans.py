"""An OTLP receiver for tests: takes the spans that services send, over HTTP on loopback."""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Span(NamedTuple):
    """One span: which service sent it, of which trace, below which other span."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str


class Spans:
    """What has arrived so far, and where it is sent."""

    def __init__(self) -> None:
        self.arrived: list[Span] = []
        self.url = ""

    def of_trace(self, trace_id: str) -> list[Span]:
        """List the spans of one trace."""
        return [span for span in self.arrived if span.trace_id == trace_id]

    def take(self, body: bytes) -> None:
        """Take in what a service sent."""
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
            spans.take(self.rfile.read(int(self.headers["content-length"])))
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
