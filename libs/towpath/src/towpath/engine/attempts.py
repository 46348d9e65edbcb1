"""Tries the code of a run as often as its policy says: what failed, and the wait for the next attempt, are journaled.

So an attempt keeps its number and its time wherever the run goes on, and a run that waits for one is dropped from
memory like any other that waits. What an attempt has done is not done again by the next.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from towpath.engine.acting import Actor, Call
from towpath.engine.asked import place_of_attempt
from towpath.engine.live_run import LiveRun
from towpath.failures import failure_of
from towpath.retry import Attempted, Retry, RetryPolicy, attempted
from towpath_schemas.journal import AttemptFailed

log = structlog.get_logger(__name__)


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

    async def made(self, work: Callable[[int], Awaitable[Any]], policy: RetryPolicy) -> Attempted:
        """Try `work`, which is told the number of the attempt; one that the journal promises is made in any case."""
        if self._failed is not None:
            await self._wait(self._failed)

        def allows(error: Exception, attempt: int) -> bool:
            goes_on = self._run.replay.divergence is None and not self._run.cancelling.told
            return goes_on and policy.allows(error, attempt)

        return await attempted(work, policy, between=self._follow, allows=allows, first=self.first)

    async def _follow(self, retry: Retry) -> None:
        """End what an attempt has left behind, write down that it failed, and wait for the next one."""
        run, failure = self._run, failure_of(retry.error).model_copy(update={"retryable": True})
        await run.tasks.end_inside("")
        now = run.clock()
        failed = AttemptFailed(at=now, attempt=retry.attempt, failure=failure, next_at=now + retry.wait_s)
        await run.append(failed)
        log.warning("run will be tried again", attempt=retry.attempt, wait_s=round(retry.wait_s, 4))
        await self._wait(failed)

    async def _wait(self, failed: AttemptFailed) -> None:
        """Wait for the attempt that follows another; its time begins when it need not wait any more."""
        run = self._run
        within_s = max(0.0, failed.next_at - run.clock())
        wait = Call(place_of_attempt(failed.attempt + 1), "timer", "retry", within_s=within_s)
        settled = await self._actor.call(wait)
        await run.until_unpaused()
        self.began_at = max(settled.at, run.history.incoming.unpaused_at)
