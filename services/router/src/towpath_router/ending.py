"""Does what is left to do when a run has ended: tells its parent, ends its children, starts its successor, clears up.

Each part may be done twice without harm, and who dies in between is made up for by the next delivery.
"""

from towpath_chassis.inbox import keep
from towpath_chassis.jetstream import JetStream
from towpath_router.children import Children, answer_to, orphaned
from towpath_router.runs import Runs
from towpath_schemas import subjects
from towpath_schemas.calls import RunClosed
from towpath_schemas.failure import Failure
from towpath_schemas.streams import INBOX


class Ending:
    """Concludes runs that have ended."""

    def __init__(self, js: JetStream, runs: Runs, children: Children) -> None:
        self._js = js
        self._runs = runs
        self._children = children

    async def conclude(self, closed: RunClosed) -> None:
        """Do all that is left to do about a run.

        Raises:
            GiveUp: If nobody offers the successor's component, and no parent waits to hear that.
            BrokerError: If it could not be done to its end; conclude it again.
        """
        if closed.parent is not None:  # where that one has ended too, nobody is waked by it: see `Waker`
            told = answer_to(closed.parent, result=closed.result, failure=_failure(closed))
            await keep(self._js, told)
        for child in closed.children:  # one that does not exist yet is ended when it is made: see `Children`
            if await self._goes_on(child):
                await keep(self._js, orphaned(child, closed.run_id, closed.attribution))
        if closed.successor is not None:
            await self._children.start(closed.successor)
        await self._js.purge(INBOX, subjects.timers_of(closed.run_id))
        await self._js.purge(INBOX, subjects.inbox_of(closed.run_id))  # last: the news of the end is in there

    async def _goes_on(self, run_id: str) -> bool:
        return await self._runs.started(run_id) is not None and await self._runs.finished(run_id) is None


def _failure(closed: RunClosed) -> Failure | None:
    """Tell a parent why its child has no result."""
    match closed:
        case RunClosed(failure=None, end="cancelled" | "terminated" as end):
            return Failure(code=end, message=f"run {closed.run_id} was {end}")
        case _:
            return closed.failure
