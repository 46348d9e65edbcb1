"""A wrong setting ends the start with the name of its variable and what it must be."""

import pytest
from pydantic import ValidationError

from towpath_agent_runner.settings import Settings as AgentRunnerSettings
from towpath_chassis.settings import ServiceSettings, complaints


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("TOWPATH_NATS_URL", "http://localhost"),
        ("TOWPATH_ACK_WAIT_S", "soon"),
        ("TOWPATH_ACK_WAIT_S", "0.1"),
        ("TOWPATH_MAX_ATTEMPTS", "0"),
        ("TOWPATH_HEALTH_PORT", "70000"),
        ("TOWPATH_LOG_LEVEL", "LOUD"),
        ("TOWPATH_OTLP_ENDPOINT", "collector:4318"),
        ("TOWPATH_INSTANCE", ""),
    ],
)
def test_a_wrong_value_is_named_with_its_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(SystemExit) as ended:
        ServiceSettings.from_environment()

    assert f"{variable}={value!r}: " in str(ended.value)


def test_a_missing_value_is_named_and_nothing_else_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOWPATH_NATS_URL", "nats://user:secret@broker:4222")

    with pytest.raises(SystemExit) as ended:
        AgentRunnerSettings.from_environment()

    assert str(ended.value) == "TOWPATH_APP is not set: Field required"


def test_all_wrong_values_are_named_at_once() -> None:
    with pytest.raises(ValidationError) as wrong:
        ServiceSettings(ack_wait_s=-1, drain_s=-1)

    assert [line.partition("=")[0] for line in complaints(wrong.value)] == [
        "TOWPATH_ACK_WAIT_S",
        "TOWPATH_DRAIN_S",
    ]


def test_what_is_set_is_read_and_cannot_be_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOWPATH_ACK_WAIT_S", "2.5")

    settings = ServiceSettings.from_environment()

    assert settings.ack_wait_s == 2.5
    with pytest.raises(ValidationError):
        settings.ack_wait_s = 3


def test_every_start_of_a_process_has_a_name_of_its_own() -> None:
    assert ServiceSettings().instance != ServiceSettings().instance
