"""Metrics and spans of user code, in this process."""

from collections.abc import Generator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode

from towpath import ComponentType, Context, LocalContext, function
from towpath.local import run
from towpath_schemas.attribution import Attribution
from towpath_testkit.recorded import Recorded, recorded_telemetry


@pytest.fixture
def recorded() -> Generator[Recorded]:
    with recorded_telemetry() as telemetry:
        yield telemetry


@pytest.fixture
def context() -> LocalContext:
    return LocalContext(attribution=Attribution(tenant="acme"))


def below(inner: ReadableSpan, outer: ReadableSpan) -> bool:
    assert inner.parent is not None
    assert outer.context is not None
    return inner.parent.span_id == outer.context.span_id


OF_ACME = {"towpath.component": "", "towpath.component.type": "workflow", "towpath.tenant": "acme"}


def test_what_happens_is_counted_with_attributes(context: LocalContext, recorded: Recorded) -> None:
    metrics = context.metrics()
    metrics.increment("requests.count", service="api")
    metrics.increment("requests.count", value=2, service="api")
    metrics.increment("requests.count", 0.5, code=7, ok=True, nothing=None, odd=ComponentType.TOOL)

    assert recorded.measured("requests.count") == [
        (3, {"service": "api", **OF_ACME}),
        (0.5, {"code": 7, "ok": True, "odd": "tool", **OF_ACME}),
    ]


def test_distributions_and_levels_are_measured(context: LocalContext, recorded: Recorded) -> None:
    metrics = context.metrics()
    metrics.gauge("queue.depth", 9)
    metrics.gauge("queue.depth", 4)

    assert recorded.measured("queue.depth") == [(4, OF_ACME)]
    metrics.observe("latency.ms", 12.5, endpoint="/a")
    metrics.observe("latency.ms", 7.5, endpoint="/a")

    assert recorded.measured("latency.ms") == [(20.0, {"endpoint": "/a", **OF_ACME})]


async def test_the_component_is_told_and_cannot_be_forged(recorded: Recorded) -> None:
    forged: dict[str, Any] = {"towpath.tenant": "another"}

    @function
    def charge(ctx: Context) -> None:
        ctx.metrics().increment("charges", **forged)

    await run(charge)

    ((_, attributes),) = recorded.measured("charges")
    assert attributes == {
        "towpath.component": "charge",
        "towpath.component.type": "function",
        "towpath.tenant": "local",
    }


def test_what_cannot_be_measured_is_refused(context: LocalContext) -> None:
    metrics = context.metrics()

    with pytest.raises(ValueError, match="'2nd try' is no name of a metric"):
        metrics.gauge("2nd try", 1)
    with pytest.raises(ValueError, match="'a': a counter only grows, -1 is negative"):
        metrics.increment("a", -1)


def test_a_span_is_below_the_one_around_it_and_has_attributes(
    context: LocalContext, recorded: Recorded
) -> None:
    with trace.get_tracer("mine").start_as_current_span("outer") as outer:
        with context.trace_span().start("call", service="payments", order=7, nothing=None) as span:
            span.set_attribute("answer", 200)
            assert trace.get_current_span() is span
        assert trace.get_current_span() is outer

    call, around = recorded.spans
    assert (call.name, dict(call.attributes or {})) == (
        "call",
        {"service": "payments", "order": 7, "answer": 200},
    )
    assert below(call, around)
    assert call.status.status_code is StatusCode.UNSET


def test_a_failure_in_a_span_is_the_spans_without_its_secrets(
    context: LocalContext, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOWPATH_SECRET_GATE", "open-sesame")
    gate = context.secrets().get("gate")

    with pytest.raises(ValueError, match="open-sesame"), context.trace_span().start("enter", word=gate):
        raise ValueError(f"{gate} was not the word")

    (span,) = recorded.spans
    assert dict(span.attributes or {}) == {"word": "[secret gate]"}
    assert (span.status.status_code, span.status.description) == (
        StatusCode.ERROR,
        "ValueError: [secret gate] was not the word",
    )
    assert [dict(event.attributes or {}) for event in span.events] == [
        {"exception.type": "ValueError", "exception.message": "[secret gate] was not the word"}
    ]


async def test_a_function_in_a_thread_measures_and_traces_below_its_caller(recorded: Recorded) -> None:
    @function
    def work(ctx: Context) -> None:
        ctx.metrics().increment("worked")
        with ctx.trace_span().start("inner"):
            pass

    with trace.get_tracer("mine").start_as_current_span("outer"):
        await run(work)

    inner, outer = recorded.spans
    assert below(inner, outer)
    assert [value for value, _ in recorded.measured("worked")] == [1]
