"""How an exception becomes a `Failure`: decided once, for steps, tools, functions and runs."""

from towpath.errors import (
    ComponentError,
    ContentFilteredError,
    ContextError,
    ContextOverflowError,
    EntityReentrancyError,
    GivenUpError,
    InvalidInputError,
    ModelAuthError,
    ModelError,
    ModelQuotaError,
    ModelThrottledError,
    ModelTimeoutError,
    NonRetryableError,
    NotSerialisableError,
)
from towpath.groups import is_group, leaves
from towpath.secrecy import redacted
from towpath_schemas.failure import Failure, FailureCode

_CODES: tuple[tuple[type[BaseException], FailureCode, bool], ...] = (
    (InvalidInputError, "invalid_input", False),
    (NotSerialisableError, "not_serialisable", False),
    (ContextError, "user_error", False),
    (NonRetryableError, "user_error", False),
    (TimeoutError, "timeout", True),
)
_LONGEST_MESSAGE = 4_000_000
"""Characters; each takes up to six bytes in JSON."""


def failure_of(error: BaseException) -> Failure:
    """Tell what went wrong as data; a `ComponentError` keeps the failure it carries, a group tells those of its leaves."""
    if isinstance(error, ComponentError):
        message = redacted(error.failure.message)  # user code may have made it
        return error.failure.model_copy(update={"message": message})
    if is_group(error):
        return _failure_of_group(error)
    name, bases = type(error).__name__, _bases_of(type(error))
    code, retryable = _judged(error)
    message = _bearable(_said(error) or name)
    return Failure(
        code=code, message=message, retryable=retryable, error_type=name, error_bases=bases or None
    )


def failure_for_good(error: Exception | None) -> Failure | None:
    """Write how an act has failed that will not be tried again; None if it has not."""
    return None if error is None else failure_of(error).model_copy(update={"retryable": False})


def _bearable(message: str) -> str:
    """Cut a message that would not fit into any record, however its characters are written there."""
    if len(message) <= _LONGEST_MESSAGE:
        return message
    return f"{message[:_LONGEST_MESSAGE]}... ({len(message):,} characters)"


def _failure_of_group(group: BaseException) -> Failure:
    """Name what the group is made of; it is as bad as the worst of that."""
    known = [(one, failure_of(one)) for one in leaves(group)]
    failures = [failure for _, failure in known]
    kinds = (*_bases_of(type(group)), *(name for one, failure in known for name in _kinds(one, failure)))
    waits_s = [one.retry_after_s for one in failures if one.retry_after_s is not None]
    return Failure(
        code=failures[0].code,
        message=_bearable(f"{_said(group)}: {'; '.join(_named(one, failure) for one, failure in known)}"),
        retryable=all(one.retryable for one in failures),
        retry_after_s=max(waits_s, default=None),
        error_type=type(group).__name__,
        error_bases=tuple(dict.fromkeys(kinds)),
    )


def _kinds(error: BaseException, failure: Failure) -> tuple[str, ...]:
    return (failure.error_type or type(error).__name__, *(failure.error_bases or ()))


def _named(error: BaseException, failure: Failure) -> str:
    name = failure.error_type or type(error).__name__
    return name if failure.message == name else f"{name}: {failure.message}"


def _bases_of(kind: type[BaseException]) -> tuple[str, ...]:
    return tuple(one.__name__ for one in kind.__mro__[1:] if one not in Exception.__mro__)


def component_error(failure: Failure) -> ComponentError:
    """Make the exception that tells the caller of a component how it failed."""
    return _ERRORS.get(failure.code, ComponentError)(failure)


def model_error(failure: Failure) -> ModelError:
    """Make the exception that tells how a model call failed: of one failure always the same, now and in replay."""
    return _MODEL_ERRORS.get(failure.code, ModelError)(failure)


_MODEL_ERRORS: dict[FailureCode, type[ModelError]] = {
    "model_error": ModelError,
    "model_auth": ModelAuthError,
    "model_quota": ModelQuotaError,
    "model_throttled": ModelThrottledError,
    "model_timeout": ModelTimeoutError,
    "context_overflow": ContextOverflowError,
    "content_filtered": ContentFilteredError,
}
_ERRORS: dict[FailureCode, type[ComponentError]] = {
    "given_up": GivenUpError,
    "reentrancy": EntityReentrancyError,
    **_MODEL_ERRORS,
}


def escaped(raised: BaseException) -> NonRetryableError:
    """Say that user code raised what would have ended more than itself, such as `SystemExit`."""
    name, words = type(raised).__name__, failure_of(raised).message
    what = name if words == name else f"{name} ({words})"
    return NonRetryableError(f"the code raised {what}, which may end nothing but itself")


def _said(error: BaseException) -> str:
    """Return the error's own words, as far as they can be written down."""
    try:
        return redacted(str(error)).encode(errors="backslashreplace").decode()
    except Exception:  # noqa: BLE001 - it is user code, and may raise anything
        return ""


def notes_of(error: BaseException) -> tuple[str, ...]:
    """Return what was noted on an error (`add_note`)."""
    return tuple(redacted(str(note)) for note in getattr(error, "__notes__", ()))


def _judged(error: BaseException) -> tuple[FailureCode, bool]:
    """Tell the code, and whether trying again may help."""
    for kind, code, retryable in _CODES:
        if isinstance(error, kind):
            return code, retryable
    return "user_error", False
