"""Runs what the code of a run does itself: steps and model calls, each recorded when it has ended."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, cast

from towpath.engine.acting import Actor, Call
from towpath.engine.asked import Asked, call_asked
from towpath.engine.containing import contained
from towpath.engine.live_run import LiveRun
from towpath.failures import failure_of, model_error
from towpath.models.port import LanguageModel, ModelReply, ModelRequest, digest
from towpath.retry import ONCE, Attempted, Retry, RetryPolicy, attempted
from towpath.secrecy import redacted_json
from towpath.values import to_json_value
from towpath.work import drop_work, is_awaitable, run_work
from towpath_schemas.failure import Failure
from towpath_schemas.journal import CallSettled, StepSettled, Usage

Inside = Callable[[], AbstractContextManager[None]]
"""Makes the block in which the work of a step runs."""


async def run_step(
    run: LiveRun,
    place: str,
    work: Any,
    arguments: tuple[Any, ...],
    *,
    retry: RetryPolicy,
    inside: Inside,
    agent: str | None,
) -> StepSettled:
    """Run the work of a step, unless the journal has its end."""
    settled = await run.ask(Asked(place, "step"))
    if settled is not None:
        drop_work(work)
        return cast("StepSettled", settled)

    async def once(_attempt: int) -> Any:
        with inside():
            return to_json_value(await contained(run_work(work, arguments)))

    with run.busy(place):
        ended = await attempted(once, ONCE if is_awaitable(work) else retry, sleep=run.sleep)
    return await run.tell(
        StepSettled(
            at=run.clock(),
            key=place,
            result=ended.value,
            failure=_final_failure(ended),
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
    settled = await run.ask(call_asked(place, "model", model.name))
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

    async def once(_attempt: int) -> ModelReply:
        return await model.generate(request)

    with run.busy():
        ended = await attempted(once, trying.policy, sleep=run.sleep, on_retry=trying.on_retry)
    reply: ModelReply | None = ended.value
    return await run.tell(
        CallSettled(
            at=run.clock(),
            key=place,
            act="model",
            target=model.name,
            result=redacted_json(reply.model_dump(mode="json", exclude_defaults=True)) if reply else None,
            failure=_final_failure(ended),
            attempts=ended.attempts,
            usage=_usage(reply),
            agent=agent,
        )
    )


def _final_failure(ended: Attempted) -> Failure | None:
    """Tell the failure of an act that will not be tried again."""
    if ended.error is None:
        return None
    return failure_of(ended.error).model_copy(update={"retryable": False})


def _usage(reply: ModelReply | None) -> Usage | None:
    return reply.usage if reply else None
