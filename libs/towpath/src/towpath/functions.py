"""`@function`: a stateless operation that the platform can call, and retries."""

from collections.abc import Callable, Mapping
from typing import Any, overload

from towpath.annotations import name_of
from towpath.components import Component, ComponentType
from towpath.definitions import Decorated, check_no_stream, documentation_of, register, retry_policy
from towpath.retry import RetryPolicy
from towpath.schema import schema_of
from towpath.work import Body


@overload
def function(name: Decorated, /) -> Decorated: ...
@overload
def function(
    name: str | None = None,
    *,
    retries: int | Mapping[str, Any] | RetryPolicy | None = None,
    backoff: str | Mapping[str, Any] | None = None,
    timeout_ms: float | None = None,
    idempotent: bool | None = None,
) -> Callable[[Decorated], Decorated]: ...


def function(
    name: Any = None,
    *,
    retries: int | Mapping[str, Any] | RetryPolicy | None = None,
    backoff: str | Mapping[str, Any] | None = None,
    timeout_ms: float | None = None,
    idempotent: bool | None = None,
) -> Any:
    """Register a function; it stays the callable it is.

    Args:
        name: What it is called by; its own name if not given.
        retries: How often it is tried at the most (3 if not given), or a whole policy.
        backoff: How the waits between attempts grow.
        timeout_ms: How long one attempt may take.
        idempotent: Whether an attempt whose end was never seen may be repeated; if not said, where it is
            retried at all.

    Raises:
        RegistrationError: If another function has this name, or its types cannot be read from JSON.
    """
    policy = retry_policy(retries, backoff)

    def decorate(body: Decorated) -> Decorated:
        check_no_stream(body)
        return register(
            body, _component(body, None if callable(name) else name, policy, timeout_ms, idempotent)
        )

    return decorate(name) if callable(name) else decorate


def _component(
    body: Callable[..., Any],
    name: str | None,
    retry: RetryPolicy,
    timeout_ms: float | None,
    idempotent: bool | None,  # noqa: FBT001 - private
) -> Component:
    documentation = documentation_of(body)
    schema = schema_of(body, name=name, descriptions=documentation.parameters)
    return Component(
        name=name or name_of(body),
        kind=ComponentType.FUNCTION,
        execute=Body(schema, body),
        description=documentation.summary,
        input_schema=schema.input_schema,
        output_schema=schema.output_schema,
        output_type=schema.output_type,
        retry=retry,
        timeout_s=None if timeout_ms is None else timeout_ms / 1_000,
        idempotent=retry.max_attempts > 1 if idempotent is None else idempotent,
        source=body,
    )
