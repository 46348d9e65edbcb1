"""Runs what the code of a run does itself: steps and model calls, each recorded when it has ended."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, cast

from towpath.discarding import discard_work
from towpath.engine.acting import Actor, Call
from towpath.engine.asked import Asked, call_asked
from towpath.engine.attempts import ActAttempts
from towpath.engine.containing import contained
from towpath.engine.giving_up import giving_up
from towpath.engine.live_run import LiveRun
from towpath.failures import failure_for_good, model_error
from towpath.local.done_acts import StepDone
from towpath.local.state import BufferedState
from towpath.models.asking import asked_once
from towpath.models.port import LanguageModel, ModelReply, ModelRequest, digest
from towpath.retry import ONCE, Retry, RetryPolicy
from towpath.secrecy import redacted_json
from towpath.values import to_json_value
from towpath.work import is_awaitable, run_work
from towpath_schemas.journal import CallSettled, StepSettled
from towpath_schemas.usage import Usage

Inside = Callable[[int], AbstractContextManager[BufferedState]]
"""Makes the block in which the work of a step runs, in the attempt of this number; it gives the state as it changes it."""

Awaits = Callable[[Awaitable[Any], str], Awaitable[Any]]
"""Awaits the work of a step, and what it has begun inside of the place; see `Children.started_by`."""


async def run_step(
    run: LiveRun,
    place: str,
    work: Any,
    arguments: tuple[Any, ...],
    *,
    retry: RetryPolicy,
    inside: Inside,
    awaits: Awaits,
    agent: str | None,
) -> StepSettled:
    """Run the work of a step, unless the journal has its end."""
    asked = Asked(place, "step")

    async def once(attempt: int) -> StepDone:
        with inside(attempt) as state:
            result = to_json_value(await awaits(contained(run_work(work, arguments)), f"{place}/"))
            return StepDone(result, state.changes if state.has_changed else None)

    with giving_up(run, asked):
        settled = await run.ask(asked)
        if settled is not None:
            discard_work(work)
            return cast("StepSettled", settled)
        with run.busy(place):
            attempts = ActAttempts(run, place, "step", place, agent=agent)
            ended = await attempts.made(once, ONCE if is_awaitable(work) else retry)
        done: StepDone = ended.value or StepDone(None, None)
        return await run.tell(
            StepSettled(
                at=run.clock(),
                key=place,
                result=done.result,
                changes=done.changes,
                failure=failure_for_good(ended.error),
                attempts=ended.attempts,
                agent=agent,
            )
        )


class Trying(NamedTuple):
    """How often a model is asked, and who is told before each further time."""

    policy: RetryPolicy
    on_retry: Callable[[Retry], None] | None = None


async def call_model(
    run: LiveRun,
    actor: Actor,
    place: str,
    model: LanguageModel,
    request: ModelRequest,
    *,
    trying: Trying,
    agent: str | None,
) -> ModelReply:
    """Ask a model, unless the journal has its reply.

    Raises:
        ModelError: If the provider refused or failed for good.
    """
    asked = call_asked(place, "model", model.name)
    with giving_up(run, asked):
        settled = await run.ask(asked)
        if settled is None:
            settled = await _ask_model(run, actor, place, model, request, trying=trying, agent=agent)
    record = cast("CallSettled", settled)
    if record.failure is not None:
        raise model_error(record.failure)
    return ModelReply.model_validate(record.result)


async def _ask_model(
    run: LiveRun,
    actor: Actor,
    place: str,
    model: LanguageModel,
    request: ModelRequest,
    *,
    trying: Trying,
    agent: str | None,
) -> CallSettled:
    if run.history.intended(place) is None:
        asked = {"sha256": digest(request), "messages": len(request.messages)}
        await actor.intend(Call(place, "model", model.name, arguments=asked, agent=agent))

    with run.busy():
        attempts = ActAttempts(run, place, "model", model.name, agent=agent)
        ended = await attempts.made(
            lambda _: asked_once(model, request), trying.policy, on_retry=trying.on_retry
        )
    reply: ModelReply | None = ended.value
    return await run.tell(
        CallSettled(
            at=run.clock(),
            key=place,
            act="model",
            target=model.name,
            result=redacted_json(reply.model_dump(mode="json", exclude_defaults=True)) if reply else None,
            failure=failure_for_good(ended.error),
            attempts=ended.attempts,
            usage=_usage(reply),
            agent=agent,
        )
    )


def _usage(reply: ModelReply | None) -> Usage | None:
    return reply.usage if reply else None
