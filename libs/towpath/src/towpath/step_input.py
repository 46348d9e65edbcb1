"""What a step of a flow gives its handler: what the step says, the run's input, and what its dependencies gave."""

from collections.abc import Mapping
from typing import Any, cast

RUN_INPUT = "input"
DEPS = "deps"
RESERVED = (RUN_INPUT, DEPS)
"""Names that a step's own input may not use."""


def step_payload(said: Mapping[str, Any], run_input: Any, deps: Mapping[str, Any]) -> dict[str, Any]:
    """Write what a handler is called with: `said` by name, beside `input` and `deps`."""
    return {**said, RUN_INPUT: run_input, DEPS: dict(deps)}


def deps_in(payload: Any) -> Mapping[str, Any] | None:
    """Return what the dependencies of the step gave, by name; None if no step of a flow wrote this payload."""
    if not isinstance(payload, dict) or RUN_INPUT not in payload:
        return None
    deps = cast("dict[str, Any]", payload).get(DEPS)
    return cast("dict[str, Any]", deps) if isinstance(deps, dict) else None
