"""A request's id: its own where it has one, else one that stays the same when it is delivered again."""

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from towpath_chassis.messages import StoredMessage
from towpath_router.requests import RefusedError, Request, read_address
from towpath_schemas import subjects

SUBJECT = "requests.v1.acme.start.greet"
LEAP_DAY = datetime(2024, 2, 29, tzinfo=UTC)


def received(headers: Mapping[str, str] | None, at: datetime = LEAP_DAY) -> Request:
    return Request.received(SUBJECT, headers, b"{}", sequence=7, at=at)


@pytest.mark.parametrize(
    ("headers", "own_id"),
    [
        ({"ce-id": "event%201", "Nats-Msg-Id": "message-1"}, "event 1"),
        ({"Nats-Msg-Id": "message-1"}, "message-1"),
        ({"ce-id": ""}, "at:7:2024-02-29T00:00:00+00:00"),
        (None, "at:7:2024-02-29T00:00:00+00:00"),
    ],
    ids=["event", "message", "empty", "none"],
)
def test_the_first_id_that_is_given_counts(headers: Mapping[str, str] | None, own_id: str) -> None:
    assert received(headers).own_id == own_id
    assert received(headers) == received(headers)


@pytest.mark.parametrize(
    "fraction", ["", ".5", ".000001", ".123456499", ".1234565", ".999999499", ".999999999"]
)
def test_a_request_is_the_same_as_it_was_delivered_and_as_it_stands_in_the_stream(fraction: str) -> None:
    nanoseconds = int(LEAP_DAY.timestamp()) * 10**9 + int(fraction[1:].ljust(9, "0"))
    delivered_at = datetime.fromtimestamp(nanoseconds / 1_000_000_000.0, UTC)  # so nats-py reads it
    stored = StoredMessage(SUBJECT, 7, b"{}", {}, f"2024-02-29T00:00:00{fraction}Z")

    assert Request.stored(stored) == received(None, delivered_at)


def test_a_refusal_is_a_failure_that_is_not_tried_again() -> None:
    refused = RefusedError("malformed", "not JSON")

    assert (refused.failure.code, refused.failure.message) == ("malformed", "not JSON")
    assert not refused.failure.retryable


@pytest.mark.parametrize(
    ("subject", "said"),
    [
        (subjects.request("", "start", "greet"), "tenant: String should have at least 1 character"),
        ("requests.v1.acme.greet", "is not requests.v1.<tenant>.<verb>.<component>"),
        (f"requests.v1.{'t' * 1_500}.start.greet", "tenant"),
    ],
    ids=["empty", "short", "long"],
)
def test_a_subject_that_names_no_tenant_is_refused_with_the_reason_alone(subject: str, said: str) -> None:
    with pytest.raises(RefusedError, match=said) as refused:
        read_address(subject)

    assert "https://" not in str(refused.value)
