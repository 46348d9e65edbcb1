"""What user code measures and traces arrives with the platform's own telemetry; its secrets arrive nowhere."""

# nats-py is untyped in part, and a plain client is what this is about.
# pyright: reportUnknownMemberType=false

from pathlib import Path

import nats
import pytest

from towpath_testkit.settled import until_so
from towpath_testkit.spans import Spans, received_spans
from towpath_testkit.stage import Stage

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]

APP = Path(__file__).with_name("observed.py")
TRACE = "5bf92f3577b34da6a3ce929d0e0e4736"
SECRET = "open-sesame-of-the-test"  # noqa: S105 - of the test
ROLES = ("router", "agent-runner", "tool-runner", "entity-store", "audit-sink")
RUNNERS = {
    "workflow": "towpath-agent-runner",
    "charge": "towpath-tool-runner",
    "write": "towpath-agent-runner",
    "shared": "towpath-agent-runner",
}
ABOVE = {
    "whole": "towpath.run",
    "charge-card": "towpath.call",
    "noted": "towpath.call",
    "copied": "towpath.call",
    "looked-up": "towpath.call",
}


def orders(spans: Spans) -> set[tuple[str, str, float]]:
    """Tell which runner counted how many orders of which kind, in the trace of the request."""
    return {
        (one.attributes["kind"], one.service, one.value)
        for one in spans.counted
        if one.name == "orders" and TRACE in one.trace_ids
    }


def holding(directory: Path, text: str) -> set[str]:
    """Name the files below a directory that hold a text."""
    files = [file for file in directory.rglob("*") if file.is_file()]
    return {str(file.relative_to(directory)) for file in files if text.encode() in file.read_bytes()}


async def test_user_code_is_seen_in_the_trace_of_its_request_and_its_secrets_are_not(tmp_path: Path) -> None:
    secrets, directory = tmp_path / "secrets", tmp_path / "stage"
    secrets.mkdir()
    directory.mkdir()
    (secrets / "gate").write_text(f"{SECRET}\n")
    with received_spans() as spans:
        environment = {"TOWPATH_SECRETS_DIR": str(secrets)}
        settings = {"otlp_endpoint": spans.url}
        stage = Stage(APP, directory, settings=settings, environment=environment, roles=ROLES)
        try:
            await stage.put_up()
            client = await nats.connect(stage.nats_url)
            headers = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
            await client.jetstream().publish("requests.v1.acme.start.observed", b"{}", headers=headers)
            expected = {(kind, service, 1) for kind, service in RUNNERS.items()}
            await until_so(lambda: orders(spans) == expected, deadline_s=30)
            await until_so(
                lambda: ABOVE.keys() <= {span.name for span in spans.of_trace(TRACE)},
                deadline_s=30,
            )
            await client.close()
        finally:
            await stage.take_down()

    traced = {span.span_id: span for span in spans.of_trace(TRACE)}
    told = [span for span in traced.values() if span.name in ABOVE]
    assert {span.name: traced[span.parent_id].name for span in told} == ABOVE
    assert len(told) == len(ABOVE)
    assert {"logs/agent-runner.log", "logs/tool-runner.log"} <= holding(directory, "[secret gate]")
    assert [name for name in holding(directory, "marker-7") if name.startswith("nats/")]
    assert holding(directory, SECRET) == set()
    assert not [body for body in spans.bodies if SECRET.encode() in body]
