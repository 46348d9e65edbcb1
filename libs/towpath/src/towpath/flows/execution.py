"""Runs a flow on a context: the engine keeps what each step did, so a flow is as durable as code is."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from towpath.context import Context
from towpath.errors import (
    ComponentError,
    NonDeterminismError,
    SignalTimeoutError,
    StepFailedError,
    StepTimeoutError,
)
from towpath.failures import failure_of
from towpath.flows.definition import FlowDefinition, SignalConfig, TimerConfig, WorkflowStep
from towpath.flows.locking import holding
from towpath.flows.progress import Plan, Progress
from towpath.scopes import BRANCH, Scope, entered
from towpath.step_input import step_payload
from towpath_schemas.inputs import read_value


@dataclass(frozen=True, slots=True)
class FlowBody:
    """The body of a workflow that is a flow; see `Executable`."""

    flow: FlowDefinition
    plan: Plan

    async def __call__(self, context: Context, payload: Any) -> dict[str, Any]:
        """Run the steps, and return what each gave, by name; those that were skipped are not there.

        Raises:
            StepFailedError: If a step failed; those that run beside it are stopped.
        """
        return await _FlowRun(self.plan, context, read_value(payload)).run()


class _Ended(NamedTuple):
    """How a step ended."""

    output: Any = None
    timed_out: bool = False


class _FlowRun:
    """One run of a flow: begins steps as they are defined, and goes on in the order in which they end."""

    def __init__(self, plan: Plan, context: Context, run_input: Any) -> None:
        self._context = context
        self._run_input = run_input
        self._progress = Progress(plan)
        self._scope = context.own_scope
        self._running: set[asyncio.Task[_Ended]] = set()
        self._ended: asyncio.Queue[tuple[WorkflowStep, asyncio.Task[_Ended]]] = asyncio.Queue()

    async def run(self) -> dict[str, Any]:
        try:
            self._begin()
            while self._running:
                step, task = await self._ended.get()
                self._running.discard(task)
                self._note(step, task.result())
                self._begin()
        finally:
            await self._stop()
        return self._progress.result()

    def _begin(self) -> None:
        for step in self._progress.begin():
            payload = step_payload(step.input_data or {}, self._run_input, self._progress.deps(step))
            task = asyncio.create_task(self._perform(step, payload), name=f"step-{step.name}")
            self._running.add(task)
            task.add_done_callback(lambda done, step=step: self._ended.put_nowait((step, done)))

    def _note(self, step: WorkflowStep, ended: _Ended) -> None:
        if ended.timed_out:
            self._progress.time_out(step)
        else:
            self._progress.complete(step, ended.output)

    async def _stop(self) -> None:
        """Stop what still runs, and let it clean up."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _perform(self, step: WorkflowStep, payload: Mapping[str, Any]) -> _Ended:
        """Do what a step says, in a scope that has its name: its acts are found again whatever runs beside it."""
        try:
            with entered(_place(self._scope, step), agent=self._scope.agent):
                return await _act(self._context, step, payload)
        except (NonDeterminismError, StepTimeoutError):
            raise
        except Exception as error:
            raise StepFailedError(step.name, failure_of(error)) from error


def _place(scope: Scope, step: WorkflowStep) -> str:
    return f"{scope.name}{BRANCH}{step.name}/"


async def _act(context: Context, step: WorkflowStep, payload: Mapping[str, Any]) -> _Ended:
    if step.signal is not None:
        return await _wait_for_signal(context, step, step.signal)
    if step.timer is not None:
        return await _wait_for_timer(context, step.timer)
    return await _call(context, step, payload)


async def _call(context: Context, step: WorkflowStep, payload: Mapping[str, Any]) -> _Ended:
    async with holding(context, step.object_keys):
        output = await context.task(
            cast("str", step.service_name),
            step.handler_name,
            payload,
            timeout_ms=step.timeout_ms,
            retries=step.retries,
        )
    return _Ended(output)


async def _wait_for_signal(context: Context, step: WorkflowStep, signal: SignalConfig) -> _Ended:
    try:
        return _Ended(await context.signal(signal.name, signal.timeout_ms))
    except SignalTimeoutError as error:
        if signal.on_timeout is None:
            raise StepTimeoutError(step.name, error.failure) from error
        return _Ended(timed_out=True)


async def _wait_for_timer(context: Context, timer: TimerConfig) -> _Ended:
    retries = timer.max_retries or 0
    while True:
        try:
            await context.timer(timer.delay_ms, cron=timer.cron_expr, tz=timer.tz)
        except NonDeterminismError:
            raise
        except ComponentError:
            if not retries:
                raise
            retries -= 1
        else:
            return _Ended()
