"""What a run's logger understands, and what it says in a script and on a platform."""

import logging
from typing import Any

import pytest
import structlog

from towpath import Context, entity, function, local, workflow
from towpath.components import REGISTRY
from towpath.context_services.logs import RunLog
from towpath.engine.call_execution import CallExecution
from towpath.engine.entity_turns import take_turn
from towpath.engine.execution import execute
from towpath.testing import VirtualPlatform
from towpath_schemas.attribution import AttributionClaim
from towpath_schemas.entities import TurnRequested
from towpath_testkit.builders import call_requested
from towpath_testkit.entities import invocation
from towpath_testkit.held import held
from towpath_testkit.journals import run_started

NOTHING: dict[str, Any] = {}


class Lines(RunLog):
    """A logger that keeps its lines."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, dict[str, Any]]] = []

    def write(self, level: str, event: str, fields: dict[str, Any]) -> None:
        self.lines.append((level, event, fields))


def test_every_level_of_a_standard_logger_is_there() -> None:
    log = Lines()

    for level in ("debug", "info", "warning", "warn", "error", "exception", "critical"):
        getattr(log, level)(level)

    assert [(level, event) for level, event, _fields in log.lines] == [
        ("debug", "debug"),
        ("info", "info"),
        ("warning", "warning"),
        ("warning", "warn"),
        ("error", "error"),
        ("error", "exception"),
        ("critical", "critical"),
    ]
    assert [fields for _level, _event, fields in log.lines if fields] == [{"exc_info": True}]


@pytest.mark.parametrize(
    ("values", "said", "line"),
    [
        (("paid %s of %d", "ada", 5), NOTHING, ("paid ada of 5", NOTHING)),
        (("paid %(who)s", {"who": "ada"}), NOTHING, ("paid ada", NOTHING)),
        (("paid %s", {"who": "ada"}), NOTHING, ("paid {'who': 'ada'}", NOTHING)),
        (("paid", {"who": "ada"}), NOTHING, ("paid ({'who': 'ada'},)", NOTHING)),
        (("100% sure",), NOTHING, ("100% sure", NOTHING)),
        (("too many", 1), NOTHING, ("too many (1,)", NOTHING)),
        (("paid",), {"extra": {"order": 7}, "by": "ada"}, ("paid", {"by": "ada", "order": 7})),
        (("paid",), {"event": "x", "self": 1}, ("paid", {"event_": "x", "self": 1})),
    ],
)
def test_values_and_fields_are_understood_as_other_loggers_do(
    values: tuple[Any, ...], said: dict[str, Any], line: tuple[str, dict[str, Any]]
) -> None:
    log = Lines()

    log.info(*values, **said)

    assert log.lines == [("info", *line)]


def test_what_is_bound_is_said_each_time() -> None:
    log = Lines()

    log.bind(order=7, by="ada").bind(by="bob").error("refused", code=3)

    assert log.lines == [("error", "refused", {"order": 7, "by": "bob", "code": 3})]


async def logs(ctx: Context) -> None:
    try:
        int("the card")
    except ValueError:
        ctx.log().bind(order=7).exception("payment %s", "refused", extra={"by": "ada"})
        ctx.log("and so on", code=3)


async def test_a_script_logs_with_the_standard_library(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "towpath"):
        await local.run(workflow(logs))

    refused, after = caplog.records
    assert refused.getMessage().startswith("payment refused order=7 by='ada' run_id=")
    assert refused.exc_info is not None
    assert after.getMessage().startswith("and so on code=3 run_id=")


async def test_a_platform_logs_with_structlog_in_runs_and_in_calls() -> None:
    called = function("called")(logs)

    @workflow
    async def runs(ctx: Context) -> None:
        await logs(ctx)
        await ctx.step("pays", logs, ctx)
        await ctx.task(called)

    with structlog.testing.capture_logs() as lines:
        async with VirtualPlatform() as platform:
            run = await platform.start(runs, attribution=AttributionClaim(user_id="ada"))

    said = [line for line in lines if "run_id" in line]
    assert [(line["component"], line.get("step_id"), line["log_level"], line["event"]) for line in said] == [
        ("runs", None, "error", "payment refused"),
        ("runs", None, "info", "and so on"),
        ("runs", "pays#0", "error", "payment refused"),
        ("runs", "pays#0", "info", "and so on"),
        ("called", "task:called#0", "error", "payment refused"),
        ("called", "task:called#0", "info", "and so on"),
    ]
    assert {(line["run_id"], line["tenant"], line["user_id"]) for line in said} == {
        (run.run_id, "test", "ada")
    }
    assert {(line.get("order"), line.get("by")) for line in said if line["event"] == "payment refused"} == {
        (7, "ada")
    }


async def test_a_line_says_the_trace_of_its_run_or_call() -> None:
    workflow("runs")(logs)
    function("called")(logs)
    begun = run_started("runs", input=None, traceparent="00-of-the-run")
    nobody: Any = None

    with structlog.testing.capture_logs() as lines:
        await execute(held(history=[(0, begun)]), REGISTRY)
        calls = CallExecution(REGISTRY, nobody, nobody, timeout_s=5)
        await calls.answer(call_requested("called"), nobody, traceparent="00-of-the-call")

    assert [line["traceparent"] for line in lines] == ["00-of-the-run"] * 2 + ["00-of-the-call"] * 2


async def test_a_line_of_a_method_says_the_trace_of_its_own_caller() -> None:
    entity("Cart").write(logs)
    asked = [invocation("c", "logs", traceparent=trace) for trace in ("00-a", None, "00-b")]
    turn = TurnRequested(entity_type="Cart", entity_key="c", state={}, invocations=tuple(asked))
    nobody: Any = None

    with structlog.testing.capture_logs() as lines:
        done = await take_turn(REGISTRY, turn, nobody)

    assert [one.failure for one in done] == [None] * 3
    assert [line.get("traceparent") for line in lines] == ["00-a"] * 2 + [None] * 2 + ["00-b"] * 2


async def test_a_line_says_the_name_of_a_secret_in_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOWPATH_SECRET_GATE", "open-sesame")

    @workflow
    async def tells(ctx: Context) -> None:
        gate = ctx.secrets().get("gate")
        ctx.log(f"opened with {gate}", word=gate, tried=[{gate: 1}, ("closed", 2)], order=7)

    with structlog.testing.capture_logs() as lines:
        async with VirtualPlatform() as platform:
            await platform.run(tells)

    assert "sesame" not in str(lines)
    (said,) = (line for line in lines if line.get("order") == 7)
    assert (said["event"], said["word"]) == ("opened with [secret gate]", "[secret gate]")
    assert said["tried"] == [{"[secret gate]": 1}, ["closed", 2]]
