"""What becomes of the failures of model servers: each is a `ModelError` that says what kind it is."""

import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, cast

import openai

from towpath.errors import ConfigurationError
from towpath.failures import model_error
from towpath.models.providers import PROVIDERS, Server
from towpath.retry import retry_after_s
from towpath.secrecy import redacted
from towpath_schemas.failure import Failure, FailureCode

_AUTH = (401, 403)
_THROTTLED = (429, 498, 529)
_TIMED_OUT = (408, 504)
_CONFLICT = 409
_NO_MONEY = 402
_NOT_FOUND = 404
_TOO_LARGE = 413
_FROM_STATUS = 400
_SERVER = 500
_MAY_BE_ABOUT_THE_PROMPT = (None, 400, 403, 422)

_MIN_KEY_CHARS = 8
_SHOWN_CHARS = 600

_CODES: Mapping[str, FailureCode] = {
    "insufficient_quota": "model_quota",
    "billing_hard_limit_reached": "model_quota",
    "billing_not_active": "model_quota",
    "content_filter": "content_filtered",
    "content_policy_violation": "content_filtered",
    "responsibleaipolicyviolation": "content_filtered",
    "context_length_exceeded": "context_overflow",
    "string_above_max_length": "context_overflow",
    "invalid_api_key": "model_auth",
    "authentication_error": "model_auth",
    "permission_error": "model_auth",
    "rate_limit_exceeded": "model_throttled",
    "rate_limit_error": "model_throttled",
    "overloaded_error": "model_throttled",
    "slow_down": "model_throttled",
}
"""What codes and types of errors mean, whatever the status; the first of this order counts."""

_QUOTA_TEXT = re.compile(r"credit balance|insufficient (credits|funds|balance)", re.IGNORECASE)
_OVERFLOW_TEXT = re.compile(
    r"context[ _](length|window)|maximum context|(prompt|input) is too long|too many (input |total )?tokens"
    r"|exceeds? the (model's )?(maximum )?(context|input|number of tokens)|reduce the length",
    re.IGNORECASE,
)
_TOO_LARGE_TEXT = re.compile(r"request too large", re.IGNORECASE)
_FILTERED_TEXT = re.compile(r"content (management )?policy|was flagged|flagged by", re.IGNORECASE)
_FORM_TEXT = re.compile(
    r"response_format|json_schema|json_object|text\.format|structured output", re.IGNORECASE
)
_UNFINISHED_FORM = "json_validate_failed"


class SaidSoError(Exception):
    """An answer or an event that tells an error where an answer should be.

    Attributes:
        body: The error as the server told it.
    """

    def __init__(self, body: Any) -> None:
        self.body = cast("Mapping[str, Any]", body) if isinstance(body, Mapping) else {"message": str(body)}
        super().__init__(str(self.body.get("message") or self.body))


class Symptoms(NamedTuple):
    """What a server says of a failure: its status, the codes and types of the error, and what it tells people."""

    status: int | None
    codes: tuple[str, ...]
    message: str

    def diagnosis(self) -> FailureCode:
        """Tell what kind of failure it is."""
        return self._said_by_code() or self._said_by_text() or self._said_by_status()

    @property
    def may_pass(self) -> bool:
        """Whether the same request may succeed later."""
        code = self.diagnosis()
        if code != "model_error":
            return code in ("model_throttled", "model_timeout")
        if self.status is None:
            return "invalid_request_error" not in self.codes
        return self.status >= _SERVER or self.status == _CONFLICT or _UNFINISHED_FORM in self.codes

    def _said_by_code(self) -> FailureCode | None:
        found: FailureCode | None = next(
            (meant for code, meant in _CODES.items() if code in self.codes), None
        )
        if found == "model_throttled" and self._is_too_large():
            return "context_overflow"
        return found

    def _said_by_text(self) -> FailureCode | None:
        if self._is_too_large():
            return "context_overflow"
        if self.status not in _MAY_BE_ABOUT_THE_PROMPT:
            return None
        if _QUOTA_TEXT.search(self.message):
            return "model_quota"
        if _OVERFLOW_TEXT.search(self.message):
            return "context_overflow"
        return "content_filtered" if _FILTERED_TEXT.search(self.message) else None

    def _is_too_large(self) -> bool:
        """Tell whether one request is more than all that may be asked in a minute: no waiting helps."""
        return self.status == _TOO_LARGE or bool(_TOO_LARGE_TEXT.search(self.message))

    def _said_by_status(self) -> FailureCode:
        if self.status == _NO_MONEY:
            return "model_quota"
        if self.status in _AUTH:
            return "model_auth"
        if self.status in _THROTTLED:
            return "model_throttled"
        return "model_timeout" if self.status in _TIMED_OUT else "model_error"


@asynccontextmanager
async def failures_of(model: str, server: Server, *, answers: str) -> AsyncGenerator[None]:
    """Turn what goes wrong into a `ModelError`; `answers` says what the server should have answered."""
    asked = _Asked(model, server)
    try:
        yield
    except openai.APIStatusError as error:
        raise asked.refused(error, error.status_code, error.body, error.message) from error
    except (openai.APITimeoutError, TimeoutError) as error:
        raise asked.failed("model_timeout", "no answer in time", error) from error
    except openai.APIConnectionError as error:
        raise asked.failed("model_error", f"no connection: {error.__cause__ or error}", error) from error
    except SaidSoError as error:
        raise asked.refused(error, None, error.body, str(error)) from error
    except openai.APIError as error:
        raise asked.refused(error, None, error.body, error.message) from error
    except ConfigurationError:
        raise  # a ValueError too, and not the server's
    except (ValueError, TypeError, AttributeError, IndexError, KeyError) as error:
        message = f"the answer is not {answers}: {type(error).__name__}: {error}"
        raise asked.failed("model_error", message, error) from error


def refuses_format(error: openai.APIStatusError) -> bool:
    """Tell whether a server refuses a request because of the form in which it asks for the answer."""
    symptoms = _symptoms(error.status_code, error.body, error.message)
    about = f"{error.param or ''} {error.message}"
    return (
        error.status_code in (400, 422)
        and symptoms.diagnosis() == "model_error"
        and _UNFINISHED_FORM not in symptoms.codes
        and bool(_FORM_TEXT.search(about))
    )


class _Asked(NamedTuple):
    """Who was asked where: what every failure tells."""

    model: str
    server: Server

    def refused(self, error: Exception, status: int | None, body: Any, message: str) -> Exception:
        """Make the error of what a server said."""
        symptoms = _symptoms(status, body, message)
        code = symptoms.diagnosis()
        said = f"HTTP {status}: {symptoms.message}" if status else symptoms.message
        failure = self._failure(code, said + self._remedy(code, status), error, retryable=symptoms.may_pass)
        wait_s = retry_after_s(error) if symptoms.may_pass else None
        return model_error(
            failure if wait_s is None else failure.model_copy(update={"retry_after_s": wait_s})
        )

    def failed(self, code: FailureCode, message: str, error: Exception) -> Exception:
        """Make the error of what may be better next time."""
        return model_error(self._failure(code, message, error, retryable=True))

    def _failure(self, code: FailureCode, message: str, error: Exception, *, retryable: bool) -> Failure:
        key = self.server.api_key
        hidden = redacted(message.replace(key, "[the API key]") if len(key) >= _MIN_KEY_CHARS else message)
        shown = hidden if len(hidden) <= _SHOWN_CHARS else f"{hidden[:_SHOWN_CHARS]}..."
        return Failure(
            code=code, message=f"{self.model}: {shown}", retryable=retryable, error_type=type(error).__name__
        )

    def _remedy(self, code: FailureCode, status: int | None) -> str:
        about = PROVIDERS[self.server.provider]
        if code == "model_auth":
            return f"; check {about.key}"
        return f"; check the model's name, and {about.url}" if status == _NOT_FOUND else ""


def _symptoms(status: int | None, body: Any, message: str) -> Symptoms:
    """Read what a server says; where an error came without a status, its code may be one."""
    told: Mapping[str, Any] = cast("Mapping[str, Any]", body) if isinstance(body, Mapping) else {}
    inner: Mapping[str, Any] = told.get("innererror") or {}
    codes = tuple(str(one).lower() for one in (told.get("code"), told.get("type"), inner.get("code")) if one)
    number = int(codes[0]) if status is None and codes and codes[0].isdecimal() else 0
    return Symptoms(number if number >= _FROM_STATUS else status, codes, str(told.get("message") or message))
