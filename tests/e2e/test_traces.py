"""One trace shows the whole way of a request, through every service."""

# nats-py is untyped in part, and a plain client is what this is about.
# pyright: reportUnknownMemberType=false

import json
from pathlib import Path

import nats
import pytest

from towpath_testkit.settled import until_so
from towpath_testkit.spans import received_spans
from towpath_testkit.stage import Stage

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]

APP = Path(__file__).with_name("journey.py")
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SERVICES = {
    f"towpath-{name}" for name in ("router", "agent-runner", "tool-runner", "entity-store", "audit-sink")
}


async def test_a_request_with_a_trace_is_one_trace_through_all_services(tmp_path: Path) -> None:
    world = tmp_path / "world"
    (world / "effects").mkdir(parents=True)
    with received_spans() as spans:
        environment = {"JOURNEY_WORLD": str(world)}
        settings, roles = {"otlp_endpoint": spans.url}, [name.removeprefix("towpath-") for name in SERVICES]
        stage = Stage(APP, tmp_path, settings=settings, environment=environment, roles=roles)
        try:
            await stage.put_up()
            client = await nats.connect(stage.nats_url)
            request = json.dumps({"input": {"road": "traced"}}).encode()
            headers = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
            await client.jetstream().publish("requests.v1.acme.start.journey", request, headers=headers)

            await until_so(
                lambda: {span.service for span in spans.of_trace(TRACE)} == SERVICES, deadline_s=30
            )
            await client.close()
        finally:
            await stage.take_down()

    traced = {span.span_id: span for span in spans.of_trace(TRACE)}
    edges = {
        (traced[span.parent_id].service, span.service) for span in traced.values() if span.parent_id in traced
    }
    assert {
        ("towpath-router", "towpath-agent-runner"),
        ("towpath-agent-runner", "towpath-tool-runner"),
        ("towpath-agent-runner", "towpath-entity-store"),
        ("towpath-router", "towpath-audit-sink"),
    } <= edges
