"""Tries what a run does itself as often as a policy says: its code, its steps, its model calls.

What failed, and the wait for the next attempt, are journaled. So an attempt keeps its number and its time wherever the run
goes on, and a run that waits for one is dropped from memory like any other that waits. What an attempt has done is not
done again by the next.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from towpath.engine.acting import Actor, Call
from towpath.engine.asked import place_of_attempt
from towpath.engine.live_run import LiveRun
from towpath.failures import failure_of
from towpath.retry import Attempted, Retry, RetryPolicy, attempted
from towpath_schemas.failure import Failure
from towpath_schemas.journal import ActAttemptFailed, AttemptFailed, CallSettled, OwnAct

log = structlog.get_logger(__name__)

Work = Callable[[int], Awaitable[Any]]
"""What is tried; it is told the number of the attempt."""


class Attempts:
    """The attempts of one run's code.

    Attributes:
        first: The number of the attempt that is made first in this process.
        began_at: When the attempt began that is being made, in seconds since 1970.
    """

    def __init__(self, run: LiveRun) -> None:
        self._run = run
        self._actor = Actor(run)
        self._failed = run.history.failed_attempt
        self.first = run.history.failed_attempts + 1
        self.began_at = run.begun_at

    async def made(self, work: Work, policy: RetryPolicy) -> Attempted:
        """Try `work`; an attempt that the journal promises is made in any case."""
        if self._failed is not None:
            await self._wait(self._failed)

        def allows(error: Exception, attempt: int) -> bool:
            goes_on = self._run.replay.divergence is None and not self._run.cancelling.told
            return goes_on and policy.allows(error, attempt)

        return await attempted(work, policy, between=self._follow, allows=allows, first=self.first)

    async def _follow(self, retry: Retry) -> None:
        """End what an attempt has left behind, write down that it failed, and wait for the next one."""
        run = self._run
        await run.tasks.end_inside("")
        now = run.clock()
        failed = AttemptFailed(
            at=now, attempt=retry.attempt, failure=_failure(retry), next_at=now + retry.wait_s
        )
        await run.append(failed)
        log.warning("run will be tried again", attempt=retry.attempt, wait_s=round(retry.wait_s, 4))
        await self._wait(failed)

    async def _wait(self, failed: AttemptFailed) -> None:
        """Wait for the attempt that follows another; its time begins when it need not wait any more."""
        run = self._run
        settled = await _waited(self._actor, run, place_of_attempt(failed.attempt + 1), failed.next_at)
        await run.until_unpaused()
        self.began_at = max(settled.at, run.history.incoming.unpaused_at)


class ActAttempts:
    """The attempts of one step or model call of a run, which is `busy` with it.

    Args:
        run: The run.
        place: The key of the act.
        act: What it is.
        target: What is tried, as the record of its end names it.
        agent: The agent that does it, if one does.
    """

    def __init__(self, run: LiveRun, place: str, act: OwnAct, target: str, *, agent: str | None) -> None:
        self._run = run
        self._actor = Actor(run)
        self._place = place
        self._act: OwnAct = act
        self._target = target
        self._agent = agent
        self._busy_at = place if act == "step" else ""

    async def made(
        self, work: Work, policy: RetryPolicy, on_retry: Callable[[Retry], None] | None = None
    ) -> Attempted:
        """Try `work`; an attempt that the journal promises is made in any case.

        Args:
            work: What is tried.
            policy: How often, and after which waits.
            on_retry: Told of each attempt that failed here and is followed by another.
        """
        history = self._run.history
        failed = history.failed_attempt_of(self._place)
        # it begins anew, and need not repeat what was done inside of it before
        history.forgive_inside(self._place)
        if failed is not None:
            await self._wait(failed)
        first = 1 if failed is None else failed.attempt + 1
        return await attempted(work, policy, on_retry=on_retry, between=self._follow, first=first)

    async def _follow(self, retry: Retry) -> None:
        """End what an attempt has left behind, write down that it failed, and wait for the next one."""
        run = self._run
        await run.tasks.end_inside(f"{self._place}/")
        now = run.clock()
        failed = await run.append(
            ActAttemptFailed(
                at=now,
                key=self._place,
                act=self._act,
                target=self._target,
                attempt=retry.attempt,
                failure=_failure(retry),
                next_at=now + retry.wait_s,
                agent=self._agent,
            )
        )
        await self._wait(failed)

    async def _wait(self, failed: ActAttemptFailed) -> None:
        """Wait for the attempt that follows another: the run is not at work with it meanwhile."""
        run, place = self._run, place_of_attempt(failed.attempt + 1, self._place)
        with run.resting(self._busy_at):
            if run.history.is_given_up(place):  # by what was around the act, which does it again
                await run.sleep(max(0.0, failed.next_at - run.clock()))
            else:
                await _waited(self._actor, run, place, failed.next_at, self._agent)
        await run.until_unpaused(self._busy_at)


async def _waited(
    actor: Actor, run: LiveRun, place: str, until: float, agent: str | None = None
) -> CallSettled:
    within_s = max(0.0, until - run.clock())
    return await actor.call(Call(place, "timer", "retry", within_s=within_s, agent=agent))


def _failure(retry: Retry) -> Failure:
    return failure_of(retry.error).model_copy(update={"retryable": True})
