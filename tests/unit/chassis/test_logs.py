"""What a service writes to its log."""

import json
from typing import Any

import pytest
import structlog

from towpath_chassis import logs
from towpath_chassis.logs import configure_logs, redact_logs
from towpath_chassis.settings import ServiceSettings


@pytest.fixture(autouse=True)
def nothing_redacted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_redactions", [])


def hidden(text: str) -> str:
    return text.replace("open-sesame", "[secret gate]")


def fails() -> None:
    raise ValueError("open-sesame is wrong")


@pytest.mark.parametrize("form", ["json", "console"])
def test_every_line_passes_what_redacts_it_with_its_fields_and_its_error(
    capsys: pytest.CaptureFixture[str], form: Any
) -> None:
    configure_logs(ServiceSettings(log_format=form), service="test")
    redact_logs(hidden)
    redact_logs(hidden)
    try:
        fails()
    except ValueError:
        structlog.get_logger().exception("open-sesame", headers={"word": ["open-sesame"]})

    said = capsys.readouterr().err
    assert "open-sesame" not in said
    assert said.count("[secret gate]") >= 3


def test_lines_that_nobody_redacts_are_written_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(ServiceSettings(), service="test")

    structlog.get_logger().info("open-sesame", number=7)

    line = json.loads(capsys.readouterr().err)
    assert (line["event"], line["number"], line["service"]) == ("open-sesame", 7, "test")
