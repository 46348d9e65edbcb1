"""What a run's logger understands, and what it says in a script and on a platform."""

import logging
from typing import Any

import pytest
import structlog

from towpath import Context, function, local, workflow
from towpath.context_services.logs import RunLog
from towpath.testing import VirtualPlatform

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
        await ctx.task(called)

    with structlog.testing.capture_logs() as lines:
        async with VirtualPlatform() as platform:
            await platform.run(runs)

    said = [(line["component"], line["log_level"], line["event"]) for line in lines if "run_id" in line]
    assert said == [
        ("runs", "error", "payment refused"),
        ("runs", "info", "and so on"),
        ("called", "error", "payment refused"),
        ("called", "info", "and so on"),
    ]
    assert {(line.get("order"), line.get("by")) for line in lines if line["event"] == "payment refused"} == {
        (7, "ada")
    }
