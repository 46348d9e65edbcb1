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
from towpath.secrecy import redacted
from towpath_schemas.failure import Failure, FailureCode

_CODES: tuple[tuple[type[BaseException], FailureCode, bool], ...] = (
    (InvalidInputError, "invalid_input", False),
    (NotSerialisableError, "not_serialisable", False),
    (ContextError, "user_error", False),
    (NonRetryableError, "user_error", False),
    (TimeoutError, "timeout", True),
)


def failure_of(error: BaseException) -> Failure:
    """Tell what went wrong as data; a `ComponentError` keeps the failure it carries."""
    if isinstance(error, ComponentError):
        return error.failure
    name = type(error).__name__
    code, retryable = _judged(error)
    return Failure(code=code, message=_said(error) or name, retryable=retryable, error_type=name)


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
    return NonRetryableError(f"the code raised {type(raised).__name__}, which may end nothing but itself")


def _said(error: BaseException) -> str:
    """Return the error's own words, as far as they can be written down."""
    try:
        return redacted(str(error)).encode(errors="backslashreplace").decode()
    except Exception:  # noqa: BLE001 - it is user code, and may raise anything
        return ""


def _judged(error: BaseException) -> tuple[FailureCode, bool]:
    """Tell the code, and whether trying again may help."""
    for kind, code, retryable in _CODES:
        if isinstance(error, kind):
            return code, retryable
    return "user_error", False
