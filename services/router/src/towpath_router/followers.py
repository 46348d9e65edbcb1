"""Tells the parents of runs that were merged into another how that one ended.

What is to be told waits in the inbox of the run that stands for them.
"""

from towpath_chassis.inbox import FOLLOWER, keep
from towpath_chassis.jetstream import JetStream
from towpath_router.children import answer_to
from towpath_schemas import identity, subjects
from towpath_schemas.calls import RunFollowed
from towpath_schemas.failure import Failure
from towpath_schemas.journal import Parent, RunFinished, read_record
from towpath_schemas.streams import INBOX, JOURNAL


class Followers:
    """The parents that wait for a run that is not theirs."""

    def __init__(self, js: JetStream) -> None:
        self._js = js

    async def add(self, run_id: str, parent: Parent) -> None:
        """Have a parent be told of the end of a run; of one that has ended it is told by `tell`, too.

        One that would follow itself is told at once that it cannot.
        """
        if parent.run_id == run_id:
            await keep(self._js, answer_to(parent, failure=_itself(run_id)))
            return
        place = subjects.inbox(run_id, FOLLOWER, identity.call_id(parent.run_id, parent.key))
        body = RunFollowed(run_id=run_id, parent=parent).to_body()
        await self._js.publish(place, body, message_id=place)

    async def tell(self, run_id: str) -> None:
        """Tell those who follow a run how it ended; where it goes on in another, they follow that one."""
        pattern, start = subjects.inbox_kind_of(run_id, FOLLOWER), 1
        while waiting := await self._js.following(INBOX, pattern, start=start):
            finished = await self._finished(run_id)
            if finished is None:
                return
            for one in waiting:
                await self._tell(RunFollowed.from_body(one.body).parent, run_id, finished)
                await self._js.delete(INBOX, one.sequence)
            start = waiting[-1].sequence + 1

    async def _tell(self, parent: Parent, run_id: str, finished: RunFinished) -> None:
        if finished.successor is not None:
            await self.add(finished.successor, parent)
        else:
            failure = failure_of(run_id, finished.end, finished.failure)
            await keep(self._js, answer_to(parent, result=finished.result, failure=failure))

    async def _finished(self, run_id: str) -> RunFinished | None:
        newest = await self._js.last(JOURNAL, subjects.journal_of(run_id))
        record = read_record(newest.body) if newest else None
        return record if isinstance(record, RunFinished) else None


def _itself(run_id: str) -> Failure:
    message = (
        f"run {run_id} stands for the run that it has started (Singleton or Debounce), and would wait for itself; "
        "start another component, or give the limit a key that differs"
    )
    return Failure(code="user_error", message=message)


def failure_of(run_id: str, end: str, failure: Failure | None) -> Failure | None:
    """Tell a parent why its child has no result; None where it has one."""
    match end:
        case "cancelled" | "terminated" if failure is None:
            return Failure(code=end, message=f"run {run_id} was {end}")
        case _:
            return failure
