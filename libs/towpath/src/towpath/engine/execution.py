"""Runs the code of a held run to its end, and says how it ended."""

import asyncio
from typing import Any

from towpath.components import Component, ComponentType, Registry, TellChunk
from towpath.current import running_in
from towpath.dropping import Droppable
from towpath.engine.attempts import Attempts
from towpath.engine.containing import contained
from towpath.engine.durable_context import DurableContext
from towpath.engine.live_run import LiveRun
from towpath.engine.tasks import counted
from towpath.engine.time_limit import in_time
from towpath.errors import ContinuedAsNewError
from towpath.failures import failure_of, notes_of
from towpath.retry import ONCE, Attempted
from towpath.telling import Telling
from towpath.values import to_json_value
from towpath_schemas.failure import Failure
from towpath_schemas.identity import successor_run_id
from towpath_schemas.journal import RunFinished, RunStarted


async def execute(run: LiveRun, registry: Registry) -> RunFinished:
    """Run the component of a run, on its journal as far as that goes.

    Returns:
        The record of its end, which is still to be written.

    Raises:
        asyncio.CancelledError: If the run was let go: somebody else goes on with it.
    """
    try:
        return await _execute(run, registry)
    except asyncio.CancelledError as heard:
        if run.let_go.is_set() or not run.cancelling.told:
            raise
        return _cancelled(run, heard)
    finally:
        run.stop()


def component_of(started: RunStarted, registry: Registry) -> Component | None:
    """Find the code of a run: the version that it began with."""
    return registry.pinned(ComponentType(started.component_kind), started.component, started.version)


async def _execute(run: LiveRun, registry: Registry) -> RunFinished:
    component = component_of(run.started, registry)
    if component is None:
        return _failed(run, _not_here(run.started))
    if (code := asyncio.current_task()) is not None:
        run.cancelling.runs_as(code)
    finished = await _finish(run, registry, component)
    await run.replay.repeat_what_is_left()
    run.repeat_end()
    if run.replay.divergence is not None:
        return _failed(run, run.replay.divergence.failure)
    if run.history.replaying:
        return _failed(run, run.history.diverged("its end").failure)
    return finished


async def _finish(run: LiveRun, registry: Registry, component: Component) -> RunFinished:
    """Run the code, and say how it ended, unless it was cancelled."""
    try:
        ended = await _attempt(run, registry, component)
    except ContinuedAsNewError as again:
        successor = successor_run_id(run.run_id)
        return RunFinished(at=run.clock(), end="continued", result=again.input, successor=successor)
    tries = ended.attempts if component.kind is ComponentType.FUNCTION else None
    if ended.error is not None:
        return _failed(run, failure_of(ended.error), tries)
    return RunFinished(at=run.clock(), end="completed", result=ended.value, attempts=tries)


async def _attempt(run: LiveRun, registry: Registry, component: Component) -> Attempted:
    is_function = component.kind is ComponentType.FUNCTION
    attempts = Attempts(run)
    telling = Telling(run.outbox.tell_chunk, attempts.first)

    async def once(attempt: int) -> Any:
        context = DurableContext(run, registry, attempt=attempt)
        with counted(run.tasks, work=is_function), running_in(context):
            async with in_time(run, component, attempts.began_at):
                return to_json_value(
                    await context.children.joined(_whole(run, context, component, telling.of(attempt)))
                )

    return await attempts.made(once, component.retry if is_function else ONCE)


async def _whole(run: LiveRun, context: DurableContext, component: Component, tell: TellChunk) -> Any:
    code = component.run(context, run.started.input, tell)
    result = await contained(Droppable(code, lambda: run.refusing.over, name=component.name))
    await context.end_well()
    return result


def _failed(run: LiveRun, failure: Failure, attempts: int | None = None) -> RunFinished:
    return RunFinished(at=run.clock(), end="failed", failure=failure, attempts=attempts)


def _cancelled(run: LiveRun, heard: asyncio.CancelledError) -> RunFinished:
    """Write the end of a run whose code has heard that it is to end, with what it has noted on that."""
    if (task := asyncio.current_task()) is not None:
        task.uncancel()
    _, cancel = run.history.incoming.cancelling or (0, None)
    reason = f": {cancel.reason}" if cancel and cancel.reason else ""
    said = "; ".join((f"the run was cancelled{reason}", *notes_of(heard)))
    failure = Failure(code="cancelled", message=said)
    return RunFinished(at=run.clock(), end="cancelled", failure=failure)


def _not_here(started: RunStarted) -> Failure:
    what = f"{started.component!r}" + (f" of version {started.version}" if started.version else "")
    return Failure(
        code="unknown_component",
        message=f"service {started.service!r} has no {started.component_kind} {what} any more; "
        "deploy it and start a new run",
    )
