"""What a flow consists of, and how it is written as JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, ClassVar, cast

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import to_json

from towpath.errors import RegistrationError
from towpath.values import path_text, to_json_value


class StepType(StrEnum):
    """The kinds of step."""

    TASK = "task"
    WAIT_SIGNAL = "wait_signal"
    WAIT_TIMER = "wait_timer"


@dataclass(frozen=True)
class SignalConfig:
    """The signal that a step waits for.

    Attributes:
        timeout_ms: Milliseconds to wait at the most; None for ever.
        on_timeout: The step that runs if nothing came in time, and only then; without one, the run fails.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    name: str
    timeout_ms: float | None = None
    on_timeout: str | None = None


@dataclass(frozen=True)
class TimerConfig:
    """The moment that a step waits for: exactly one of `delay_ms` and `cron_expr`.

    Attributes:
        key: A name for the timer, for people.
        delay_ms: Milliseconds from when the step begins.
        cron_expr: Minute, hour, day, month, day of the week; the step waits for the next such moment, once.
        max_retries: How often a timer that could not be set is set again before the step fails.
        tz: Time zone of `cron_expr`.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    key: str
    delay_ms: float | None = None
    cron_expr: str | None = None
    max_retries: int | None = None
    tz: str = "UTC"


@dataclass(frozen=True)
class WorkflowStep:
    """One step of a flow; `task_step`, `wait_signal_step` and `wait_timer_step` make them.

    Attributes:
        name: Names it within the flow; its output has this name in the run's result.
        dependencies: Steps that must have ended, or been skipped, before it begins.
        object_keys: What it works on: while it runs, no other step of the tenant's flows with one of these keys does.
        input_data: What its handler is given, beside the run's input and the outputs of its dependencies.
        retries: How often its handler is called at the most; None leaves it to the function's own policy.
        timeout_ms: Milliseconds after which the call counts as failed.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    name: str
    step_type: Annotated[StepType, Field(alias="type")] = StepType.TASK
    service_name: str | None = None
    handler_name: str | None = None
    dependencies: Sequence[str] = ()
    object_keys: Sequence[str] = ()
    input_data: Mapping[str, Any] | None = None
    retries: int | None = None
    timeout_ms: float | None = None
    signal: SignalConfig | None = None
    timer: TimerConfig | None = None

    def __post_init__(self) -> None:
        for field in ("dependencies", "object_keys"):
            object.__setattr__(self, field, self._names(field))

    def _names(self, field: str) -> tuple[str, ...]:
        given: Sequence[str] | None = getattr(self, field)
        if isinstance(given, str):
            raise RegistrationError(
                f"step {self.name!r}: {field} is the text {given!r}; give a list of names"
            )
        return tuple(given or ())

    def to_dict(self) -> dict[str, Any]:
        """Write it with JSON's own types; what is not said is left out.

        Raises:
            NotSerialisableError: If its input holds what JSON cannot carry.
        """
        parts = {"signal": self.signal, "timer": self.timer}
        said = {**_said(self), **{name: _said(part) for name, part in parts.items() if part is not None}}
        return {"name": said.pop("name"), "type": str(said.pop("step_type")), **to_json_value(said)}


@dataclass(frozen=True)
class FlowDefinition:
    """The steps of a workflow; each begins as soon as those it depends on have ended.

    >>> steps = [WorkflowStep("extract", service_name="etl", handler_name="extract_data")]
    >>> FlowDefinition(steps).to_dict()
    {'steps': [{'name': 'extract', 'type': 'task', 'service_name': 'etl', 'handler_name': 'extract_data'}]}
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    steps: Sequence[WorkflowStep]

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", tuple(self.steps))
        for number, step in enumerate(self.steps, start=1):
            if not isinstance(cast("object", step), WorkflowStep):
                raise RegistrationError(
                    f"step number {number} is {step!r}; make it with task_step, wait_signal_step or wait_timer_step"
                )

    def to_dict(self) -> dict[str, Any]:
        """Write it with JSON's own types; `from_dict` reads it.

        Raises:
            NotSerialisableError: If a step's input holds what JSON cannot carry.
        """
        return {"steps": [step.to_dict() for step in self.steps]}

    def to_json(self) -> str:
        """Write it as JSON text; `from_json` reads it."""
        return json.dumps(self.to_dict(), separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def from_dict(cls, written: Mapping[str, Any]) -> "FlowDefinition":
        """Read what `to_dict` wrote. Whether the steps fit together is seen when it is registered.

        Raises:
            RegistrationError: If a field is missing, unknown or of another type; the message names step and field.
        """
        try:
            return _adapter().validate_json(to_json(written), strict=True)
        except ValidationError as error:
            problems = (f"{_place(written, one['loc'])}: {one['msg']}" for one in error.errors())
            raise RegistrationError(f"no flow: {'; '.join(problems)}") from error

    @classmethod
    def from_json(cls, text: str) -> "FlowDefinition":
        """Read what `to_json` wrote; see `from_dict`.

        Raises:
            RegistrationError: Also if it is no JSON object.
        """
        try:
            written = json.loads(text)
        except json.JSONDecodeError as error:
            raise RegistrationError(f"no flow: it is no JSON: {error}") from error
        return cls.from_dict(written)


@cache
def _adapter() -> TypeAdapter[FlowDefinition]:
    return TypeAdapter(FlowDefinition)


def _said(part: WorkflowStep | SignalConfig | TimerConfig) -> dict[str, Any]:
    """List the fields that say something other than their default."""
    values = ((one.name, getattr(part, one.name), one.default) for one in fields(part))
    return {name: value for name, value, default in values if value != default or name == "step_type"}


def _place(written: Any, where: tuple[int | str, ...]) -> str:
    """Name the place of a problem by the name of its step, where it has one."""
    match where:
        case ("steps", int(number), *rest) if len(rest) > 0:
            step = written["steps"][number]
            name = cast("dict[str, Any]", step).get("name", number) if isinstance(step, dict) else number
            return f"step {name!r}: {path_text(tuple(rest))}"
        case _:
            return path_text(where)
