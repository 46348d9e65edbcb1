"""Every way in which a request can fail, as an HTTP status and an error body."""

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from towpath.errors import NotSerialisableError, RequestRefusedError, UnavailableError, UnknownRunError
from towpath_gateway.bodies import ErrorBody, Problem
from towpath_schemas.failure import FailureCode
from towpath_schemas.payloads import MAX_PAYLOAD_BYTES

_STATUS_OF_REFUSAL: dict[FailureCode, int] = {
    "unknown_component": 404,
    "payload_too_large": 413,
    "invalid_input": 422,
    "unavailable": 503,
}
_CODE_OF_STATUS = {404: "not_found", 405: "method_not_allowed"}


def problem(status: int, code: str, message: str) -> JSONResponse:
    """Write an error as an answer."""
    body = ErrorBody(error=Problem(code=code, message=message))
    return JSONResponse(body.model_dump(), status_code=status)


def too_large() -> JSONResponse:
    """Say that a body is over the limit."""
    message = f"the body has more than {MAX_PAYLOAD_BYTES:,} bytes; keep large values elsewhere and pass their place"
    return problem(413, "payload_too_large", message)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe the error bodies of an operation for the OpenAPI document."""
    return {status: {"model": ErrorBody} for status in statuses}


def install(app: FastAPI) -> None:
    """Let `app` answer every failure with an error body."""
    app.add_exception_handler(RequestRefusedError, _refused)
    app.add_exception_handler(UnavailableError, _unavailable)
    app.add_exception_handler(UnknownRunError, _unknown)
    app.add_exception_handler(NotSerialisableError, _not_serialisable)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _defect)


async def _refused(request: Request, error: Exception) -> JSONResponse:
    failure = error.failure if isinstance(error, RequestRefusedError) else None
    if failure is None:
        return await _defect(request, error)
    return problem(_STATUS_OF_REFUSAL.get(failure.code, 400), failure.code, failure.message)


async def _unavailable(request: Request, error: Exception) -> JSONResponse:
    return problem(503, "unavailable", str(error))


async def _unknown(request: Request, error: Exception) -> JSONResponse:
    return problem(404, "not_found", str(error))


async def _not_serialisable(request: Request, error: Exception) -> JSONResponse:
    return problem(422, "invalid_input", str(error))


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    problems: Sequence[dict[str, Any]] = error.errors() if isinstance(error, RequestValidationError) else ()
    if any(one["type"] == "json_invalid" for one in problems):
        return problem(400, "malformed", "the body is not JSON")
    said = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in problems)
    return problem(422, "invalid_input", said)


async def _http(request: Request, error: Exception) -> JSONResponse:
    status = error.status_code if isinstance(error, HTTPException) else 500
    message = error.detail if isinstance(error, HTTPException) else str(error)
    return problem(status, _CODE_OF_STATUS.get(status, "malformed"), message)


async def _defect(request: Request, error: Exception) -> JSONResponse:
    return problem(500, "internal", "the gateway failed; its log says how")
