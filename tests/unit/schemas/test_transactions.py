"""A transaction says which entities it takes, in one order, and what each of its calls is known by."""

from typing import Any

import pytest

from towpath_schemas.attribution import Attribution
from towpath_schemas.entities import EntityName, InvocationRequested
from towpath_schemas.failure import Failure
from towpath_schemas.transactions import TRANSACTION, entities_in, failure_of_call, invocations_in


def asked(*calls: tuple[str, str], key: str = "a", **said: Any) -> InvocationRequested:
    known: dict[str, Any] = {
        "invocation_id": "i",
        "run_id": "run",
        "key": "transaction#0",
        "service": "bank",
        "entity_type": "Account",
        "entity_key": key,
        "method": TRANSACTION,
        "arguments": {
            "calls": [
                {"entity_type": "Account", "entity_key": k, "method": m, "arguments": 1} for k, m in calls
            ]
        },
        "attribution": Attribution(tenant="acme"),
        "correlation_id": "c",
        "reply_to": "_INBOX.1",
    }
    return InvocationRequested(**{**known, **said})


def test_its_calls_are_of_its_tenant_in_its_order_and_have_ids_of_their_own() -> None:
    made = invocations_in(asked(("b", "deposit"), ("a", "withdraw"), ("b", "deposit")))

    assert [(one.entity_key, one.method, one.key) for one in made] == [
        ("b", "deposit", "transaction#0/0"),
        ("a", "withdraw", "transaction#0/1"),
        ("b", "deposit", "transaction#0/2"),
    ]
    assert len({one.invocation_id for one in made}) == 3
    assert {one.reply_to for one in made} == {None}
    assert entities_in(made) == (EntityName("acme", "Account", "a"), EntityName("acme", "Account", "b"))


def test_none_of_its_entities_may_be_called_from_within() -> None:
    caller = EntityName("acme", "Shop", "s")
    first, _ = invocations_in(asked(("b", "deposit"), ("a", "withdraw"), callers=(caller,)))

    assert first.callers == (caller, EntityName("acme", "Account", "a"))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (asked(), "sent to the first of its entities"),
        (asked(("b", "deposit")), "sent to the first of its entities"),
        (asked(*((f"a{n}", "m") for n in range(101)), key="a0"), "at most 100 entities; this one 101"),
        (asked(arguments={"calls": [{"method": "m"}]}), "this is no transaction: calls.0.entity_type"),
        (asked(arguments=None), "this is no transaction"),
    ],
    ids=["empty", "elsewhere", "wide", "incomplete", "nothing"],
)
def test_what_is_no_transaction_is_refused(wrong: InvocationRequested, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        invocations_in(wrong)


def test_a_failure_names_the_call() -> None:
    (call,) = invocations_in(asked(("a", "withdraw")))
    failure = failure_of_call(call, 0, Failure(code="user_error", message="only 3", error_type="ValueError"))

    assert (
        failure.message
        == "call 1 of the transaction, Account/a.withdraw, failed, so nothing was changed: only 3"
    )
    assert (failure.code, failure.error_type) == ("user_error", "ValueError")
