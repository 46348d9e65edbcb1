"""What an intent commands, as the message that whoever does it is sent."""

from typing import Any

from towpath.errors import ComponentError
from towpath_schemas import identity
from towpath_schemas.attribution import Attribution
from towpath_schemas.calls import Answered, CallRequested, ChildRequested
from towpath_schemas.entities import InvocationRequested
from towpath_schemas.failure import Failure
from towpath_schemas.journal import CallIntended, ClosePolicy, Parent, RunStarted
from towpath_schemas.payloads import MAX_PAYLOAD_BYTES, too_large

Command = CallRequested | InvocationRequested | ChildRequested


def command(
    run_id: str, started: RunStarted, intent: CallIntended, traceparent: str | None = None
) -> Command | None:
    """Write the message of an intent; None where nobody but a clock or a person has to do anything.

    Args:
        run_id: The run.
        started: How it was started.
        intent: What it commands.
        traceparent: Trace context of the span in which the run is held, if there is one.
    """
    match intent.act:
        case "tool" | "task":
            return _call(run_id, started, intent)
        case "entity":
            return invocation(run_id, started, intent, traceparent)
        case "run":
            return _child(run_id, started, intent)
        case _:
            return None


def _call(run_id: str, started: RunStarted, intent: CallIntended) -> CallRequested:
    return CallRequested(
        call_id=identity.call_id(run_id, intent.key),
        service=intent.service or started.service,
        name=intent.target,
        act="tool" if intent.act == "tool" else "task",
        arguments=intent.input,
        **_common(run_id, started, intent),
    )


def invocation(
    run_id: str, started: RunStarted, intent: CallIntended, traceparent: str | None = None
) -> InvocationRequested:
    """Write the call of an entity's method; its id is the same however often it is made."""
    entity_type, _, method = intent.target.rpartition(".")
    return InvocationRequested(
        invocation_id=identity.call_id(run_id, intent.key),
        service=intent.service or started.service,
        entity_type=entity_type,
        entity_key=intent.input["key"],
        method=method,
        arguments=intent.input["arguments"],
        traceparent=traceparent,
        **_common(run_id, started, intent),
    )


def _child(run_id: str, started: RunStarted, intent: CallIntended) -> ChildRequested:
    close_policy: ClosePolicy = "abandon" if intent.input["join"] == "detached" else "cancel"
    return ChildRequested(
        run_id=identity.child_run_id(run_id, intent.key),
        component=intent.target,
        service=intent.service,
        input=intent.input["input"],
        parent=Parent(run_id=run_id, key=intent.key, close_policy=close_policy),
        headers=started.headers,
        attribution=started.attribution,
        correlation_id=started.correlation_id,
        priority=started.priority,
    )


def _common(run_id: str, started: RunStarted, intent: CallIntended) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "key": intent.key,
        "attribution": _attribution(started, intent),
        "agent": intent.agent,
        "session_owner": intent.session_owner,
        "correlation_id": started.correlation_id,
    }


def _attribution(started: RunStarted, intent: CallIntended) -> Attribution:
    """Tell on whose behalf an act is: the run's, in the session of the agent that does it."""
    if intent.session_id is None:
        return started.attribution
    return started.attribution.model_copy(update={"session_id": intent.session_id})


def refusal(run_id: str, intent: CallIntended, failure: Failure) -> Answered:
    """Answer an intent whose command was not taken."""
    question_id = identity.call_id(run_id, intent.key)
    return Answered(answer_id=identity.answer_id(question_id), run_id=run_id, key=intent.key, failure=failure)


def fitting_signal(name: str, body: bytes) -> bytes:
    """Return the request that sends a signal, if it fits.

    Raises:
        ComponentError: If it is over the limit.
    """
    if len(body) > MAX_PAYLOAD_BYTES:
        raise ComponentError(too_large(f"signal {name!r} with its payload", len(body)))
    return body


def excess(intent: CallIntended, size: int) -> Failure | None:
    """Say what is wrong with a command of `size` bytes, if it is over the limit."""
    return too_large(f"the call of {intent.target!r}", size) if size > MAX_PAYLOAD_BYTES else None
