"""A request's id: its own where it has one, else one that stays the same when it is delivered again."""

from collections.abc import Mapping

import pytest

from towpath_router.requests import RefusedError, Request, read_address
from towpath_schemas import subjects


def received(headers: Mapping[str, str] | None) -> Request:
    return Request.received("requests.v1.acme.start.greet", headers, b"{}", place="7:2024-02-29", at=7.0)


@pytest.mark.parametrize(
    ("headers", "own_id"),
    [
        ({"ce-id": "event%201", "Nats-Msg-Id": "message-1"}, "event 1"),
        ({"Nats-Msg-Id": "message-1"}, "message-1"),
        ({"ce-id": ""}, "at:7:2024-02-29"),
        (None, "at:7:2024-02-29"),
    ],
    ids=["event", "message", "empty", "none"],
)
def test_the_first_id_that_is_given_counts(headers: Mapping[str, str] | None, own_id: str) -> None:
    assert received(headers).own_id == own_id
    assert received(headers) == received(headers)


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
