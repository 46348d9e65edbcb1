"""Groups of errors: what they say, and whether trying again may help, is what their leaves say."""

from typing import Any

import pytest

from towpath.errors import ComponentError, ContinuedAsNewError, NonRetryableError
from towpath.failures import failure_of
from towpath.groups import ended_by, leaves, ungrouped
from towpath.retry import RetryPolicy, retry_after_s
from towpath_schemas.failure import Failure

DECLINED = ValueError("card declined")
TIMED_OUT = TimeoutError("bank did not answer")
OFTEN = RetryPolicy(max_attempts=9)


class ThrottledError(Exception):
    def __init__(self, retry_after: float) -> None:
        super().__init__("slow down")
        self.retry_after = retry_after


def group(*errors: Any) -> ExceptionGroup[Any]:
    return ExceptionGroup("unhandled errors in a TaskGroup", errors)


def test_leaves_come_in_the_order_in_which_they_were_raised() -> None:
    assert list(leaves(group(group(DECLINED), TIMED_OUT))) == [DECLINED, TIMED_OUT]
    assert list(leaves(DECLINED)) == [DECLINED]


def test_the_failure_of_a_group_names_its_leaves() -> None:
    failure = failure_of(group(DECLINED, group(TIMED_OUT, KeyError())))

    assert failure.message == (
        "unhandled errors in a TaskGroup (2 sub-exceptions): ValueError: card declined; "
        "TimeoutError: bank did not answer; KeyError"
    )
    assert (failure.code, failure.retryable) == ("user_error", False)


def test_the_failure_of_a_step_in_a_group_is_the_step_s() -> None:
    declined = Failure(code="user_error", message="card declined", error_type="ValueError")
    throttled = Failure(code="model_throttled", message="later", retryable=True, retry_after_s=7)

    of_step = failure_of(group(ComponentError(declined)))
    of_model = failure_of(group(ComponentError(throttled)))

    assert of_step.message.endswith("ValueError: card declined")
    assert (of_model.code, of_model.retryable, of_model.retry_after_s) == ("model_throttled", True, 7)


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (group(DECLINED), True),
        (group(DECLINED, NonRetryableError("never")), False),
        (group(group(NonRetryableError("never"))), False),
        (group(ComponentError(Failure(code="user_error", message="no"))), False),
        (group(ComponentError(Failure(code="unavailable", message="no", retryable=True))), True),
    ],
)
def test_a_group_is_tried_again_where_each_of_its_leaves_would_be(error: Exception, *, again: bool) -> None:
    assert OFTEN.allows(error, 1) is again


def test_a_policy_names_what_is_not_tried_again_also_in_a_group() -> None:
    policy = RetryPolicy(max_attempts=9, non_retryable=frozenset({ValueError}))

    assert not policy.allows(group(TIMED_OUT, DECLINED), 1)
    assert policy.allows(group(TIMED_OUT), 1)
    assert not policy.allows_again(failure_of(group(UnicodeError("odd"))), 1)
    assert not OFTEN.allows_again(failure_of(group(NonRetryableError("never"))), 1)
    assert OFTEN.allows_again(failure_of(group(DECLINED)), 1)


def test_a_group_waits_as_long_as_the_leaf_that_asks_for_most() -> None:
    assert retry_after_s(group(ThrottledError(3), DECLINED, group(ThrottledError(8)))) == 8
    assert retry_after_s(group(DECLINED)) is None


def test_what_ended_a_group_first_has_ended_it() -> None:
    again = ContinuedAsNewError(1)
    goes_on, failed = BaseExceptionGroup("g", [again, DECLINED]), BaseExceptionGroup("g", [DECLINED, again])

    assert ended_by(goes_on) is again
    assert ended_by(failed) is failed
    assert ended_by(DECLINED) is DECLINED


async def test_code_that_goes_on_as_new_in_a_group_ends_as_if_there_were_none() -> None:
    async def ends(error: BaseException) -> None:
        raise error

    with pytest.raises(ContinuedAsNewError):
        await ungrouped(ends(BaseExceptionGroup("g", [ContinuedAsNewError(1)])))
    with pytest.raises(ExceptionGroup):
        await ungrouped(ends(group(DECLINED)))
