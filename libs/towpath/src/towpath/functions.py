"""`@function`: a stateless operation that the platform can call, and retries."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, overload

from towpath.annotations import name_of
from towpath.components import Component, ComponentType
from towpath.definitions import (
    Decorated,
    check_name,
    documentation_of,
    note,
    register,
    retry_policy,
    time_limit,
)
from towpath.errors import RegistrationError
from towpath.limits import AnyLimit, described_limits
from towpath.retry import RetryPolicy
from towpath.retry_spellings import Retries
from towpath.schema import schema_of
from towpath.streaming import yields
from towpath.work import FunctionBody, StreamingBody


@overload
def function(name: Decorated, /) -> Decorated: ...
@overload
def function(
    name: str | None = None,
    *,
    streaming: bool = False,
    retries: Retries | None = None,
    backoff: str | Mapping[str, Any] | None = None,
    timeout_ms: float | None = None,
    idempotent: bool | None = None,
    limits: Sequence[AnyLimit] | None = None,
) -> Callable[[Decorated], Decorated]: ...


def function(
    name: Any = None,
    *,
    streaming: bool = False,
    retries: Retries | None = None,
    backoff: str | Mapping[str, Any] | None = None,
    timeout_ms: float | None = None,
    idempotent: bool | None = None,
    limits: Sequence[AnyLimit] | None = None,
) -> Any:
    """Register a function; it stays the callable it is.

    A generator, sync or async, streams: whoever follows the run gets each chunk at once, and the result is the list
    of them. What an attempt that follows another yields again is not told twice; from the first chunk that differs, its
    chunks take the place of those that were told before. A text in whose end a secret may begin waits for the next chunk.

    Args:
        name: What it is called by; its own name if not given.
        streaming: Insist that it is a generator; every generator streams, whether this is said or not.
        retries: How often it is tried at the most (3 if not given), or a whole policy. A run of its own waits for the next
            attempt durably, and a crash begins none anew; where it fails for good, it leaves a dead letter. A call by
            another run is done as a whole: a tool-runner waits with it, and who comes after a crash tries as often again.
            What that run itself allows (`ctx.task(..., retries=)`) is counted and waited for durably.
        backoff: How the waits between attempts grow: `constant`, `linear` or `exponential`.
        timeout_ms: How long one attempt may take, what it waits for included; a sync one that takes longer is not waited for
            any more. A run of its own is held in memory while its time passes, and a crash gives it no more of it. If not
            given, a run of its own has no limit, and a call by another run the tool-runner's (`timeout_s`, a minute).
        idempotent: Whether an attempt whose end was never seen may be repeated; if not said, where it is
            retried at all.
        limits: How many of its runs work at once, how often one begins, which of them are one; see `towpath.limits`.
            A run is what a request or a schedule starts; a call by another run is none.

    Raises:
        RegistrationError: If another function has this name, its types cannot be read from JSON, or an option says
            what cannot be.
    """
    policy, limit_s = retry_policy(retries, backoff), time_limit(timeout_ms)

    def decorate(body: Decorated) -> Decorated:
        if streaming and not yields(body):
            raise RegistrationError(
                f"{name_of(body)} does not yield: leave streaming=True out, or yield the chunks"
            )
        component = _component(body, None if callable(name) else name, policy, limit_s, idempotent)
        register(
            body, replace(component, limits=described_limits(component.name, limits, component.parameters))
        )
        note(
            body, _agnt5_handler_name=component.name, _agnt5_is_function=True
        )  # what code for agnt5 looks for
        return body

    return decorate(name) if callable(name) else decorate


def _component(
    body: Callable[..., Any],
    name: str | None,
    retry: RetryPolicy,
    timeout_s: float | None,
    idempotent: bool | None,  # noqa: FBT001 - private
) -> Component:
    called = name_of(body) if name is None else name
    check_name(called)
    documentation = documentation_of(body)
    schema = schema_of(body, name=called, descriptions=documentation.parameters)
    streaming = StreamingBody(schema, body) if yields(body) else None
    return Component(
        name=called,
        kind=ComponentType.FUNCTION,
        execute=streaming or FunctionBody(schema, body),
        description=documentation.summary,
        input_schema=schema.input_schema,
        parameters=schema.parameters.names,
        output_schema=schema.output_schema,
        output_type=schema.output_type,
        retry=retry,
        timeout_s=timeout_s,
        idempotent=retry.max_attempts > 1 if idempotent is None else idempotent,
        source=body,
        stream=streaming.stream if streaming else None,
    )
