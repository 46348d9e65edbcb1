"""How the steps of a flow are made."""

from collections.abc import Mapping, Sequence
from typing import Any

from towpath.flows.definition import SignalConfig, StepType, TimerConfig, WorkflowStep


def task_step(
    name: str,
    *,
    service_name: str,
    handler_name: str,
    dependencies: Sequence[str] = (),
    input_data: Mapping[str, Any] | None = None,
    object_keys: Sequence[str] = (),
    retries: int | None = None,
    timeout_ms: float | None = None,
) -> WorkflowStep:
    """Call a function, with `{**input_data, "input": <the run's input>, "deps": {<step>: <its output>}}`.

    A function that has parameters for what `input_data` names need not take `input` and `deps`; its context
    has the outputs as `ctx.deps`. What it returns is the step's output.

    Args:
        name: The step's name.
        service_name: The service that offers the function.
        handler_name: Its name there.
        dependencies: Steps that end before this one begins.
        input_data: What it is given besides.
        object_keys: What it works on: no two steps of the tenant with a key in common run at the same time.
        retries: How often it is called at the most, where its own retries are not enough.
        timeout_ms: Milliseconds after which a call counts as failed.
    """
    return WorkflowStep(
        name,
        StepType.TASK,
        service_name,
        handler_name,
        dependencies,
        object_keys,
        input_data,
        retries,
        timeout_ms,
    )


def wait_signal_step(
    name: str,
    *,
    signal_name: str,
    dependencies: Sequence[str] = (),
    timeout_ms: float | None = None,
    on_timeout: str | None = None,
) -> WorkflowStep:
    """Wait for a signal; its payload is the step's output.

    Args:
        name: The step's name.
        signal_name: The signal's name; one that was sent before the wait counts.
        dependencies: Steps that end before this one begins.
        timeout_ms: Milliseconds to wait at the most; None for ever.
        on_timeout: The step that runs if nothing came in time; the wait then counts as skipped. Without one, the
            run fails.
    """
    signal = SignalConfig(signal_name, timeout_ms, on_timeout)
    return WorkflowStep(name, StepType.WAIT_SIGNAL, dependencies=dependencies, signal=signal)


def wait_timer_step(
    name: str,
    *,
    timer_key: str,
    dependencies: Sequence[str] = (),
    delay_ms: float | None = None,
    cron_expr: str | None = None,
    max_retries: int | None = None,
    tz: str = "UTC",
) -> WorkflowStep:
    """Wait for a moment, exactly one of `delay_ms` and `cron_expr`; its output is None.

    Args:
        name: The step's name.
        timer_key: A name for the timer, for people.
        dependencies: Steps that end before this one begins.
        delay_ms: Milliseconds from when the step begins.
        cron_expr: Until the next moment of a cron expression: minute, hour, day, month, day of the week.
        max_retries: How often a timer that could not be set is set again; no other step is run again.
        tz: Time zone of `cron_expr`, such as `Europe/Amsterdam`.
    """
    timer = TimerConfig(timer_key, delay_ms, cron_expr, max_retries, tz)
    return WorkflowStep(name, StepType.WAIT_TIMER, dependencies=dependencies, timer=timer)
