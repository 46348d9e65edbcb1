"""Events as their senders write them, for tests: each builder's result is whole, and a test names what matters to it."""

from typing import Any

from towpath_schemas import identity
from towpath_schemas.attribution import Attribution
from towpath_schemas.calls import Answered, CallRequested, RunDispatched
from towpath_schemas.presence import Heartbeat
from towpath_schemas.requests import StartRequested

TENANT = "acme"
SERVICE = "hello"


def start_requested(**changes: Any) -> StartRequested:
    """Ask for a run."""
    return StartRequested.model_validate({"input": {}, **changes})


def call_requested(name: str = "look_up", *, run_id: str = "run-1", **changes: Any) -> CallRequested:
    """Call a function or tool for a run."""
    key = changes.get("key", f"task:{name}#0")
    known: dict[str, Any] = {
        "run_id": run_id,
        "key": key,
        "call_id": identity.call_id(run_id, key),
        "service": SERVICE,
        "name": name,
        "act": "task",
        "attribution": Attribution(tenant=TENANT),
        "correlation_id": "correlation-1",
    }
    return CallRequested.model_validate({**known, **changes})


def answered(key: str, result: Any = None, *, run_id: str = "run-1", **changes: Any) -> Answered:
    """Answer the call that a run made at `key`."""
    answer_id = identity.answer_id(identity.call_id(run_id, key))
    known = {"answer_id": answer_id, "run_id": run_id, "key": key, "result": result}
    return Answered.model_validate({**known, **changes})


def run_dispatched(run_id: str = "run-1", **changes: Any) -> RunDispatched:
    """Hand a run to a runner."""
    return RunDispatched.model_validate({"run_id": run_id, "reason": "start", **changes})


def heartbeat(instance: str = "one", **changes: Any) -> Heartbeat:
    """Say that a process lives."""
    known = {"role": "agent-runner", "instance": instance, "state": "alive", "service": SERVICE}
    return Heartbeat.model_validate({**known, **changes})
