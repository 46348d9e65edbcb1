"""Does what is left to do when a run has ended.

Tells its parent, ends its children, lets others through its gates, starts its successor, gives up its object keys,
clears up.

Each part may be done twice without harm, and who dies in between is made up for by the next delivery.
"""

from towpath_chassis.inbox import keep
from towpath_chassis.jetstream import JetStream
from towpath_router.children import Children, answer_to, orphaned
from towpath_router.followers import Followers, failure_of
from towpath_router.passing import Passage
from towpath_router.releasing import Releaser
from towpath_router.succession import Succession
from towpath_schemas import subjects
from towpath_schemas.calls import ChildRequested, RunClosed
from towpath_schemas.journal import Parent
from towpath_schemas.streams import INBOX


class Ending:
    """Concludes runs that have ended."""

    def __init__(
        self,
        js: JetStream,
        succession: Succession,
        children: Children,
        passage: Passage,
        followers: Followers,
    ) -> None:
        self._js = js
        self._succession = succession
        self._children = children
        self._passage = passage
        self._followers = followers
        self._releaser = Releaser(js)

    async def conclude(self, closed: RunClosed) -> None:
        """Do all that is left to do about a run.

        Raises:
            BrokerError: If it could not be done to its end; conclude it again.
        """
        if closed.parent is not None:
            await self._tell(closed, closed.parent)
        for child in closed.children:  # one that does not exist yet is ended when it is made: see `Children`
            line = await self._succession.find(child)
            if line is not None and not line.has_ended:
                await self._succession.send(orphaned(child, closed.run_id, closed.attribution), line)
        await self._leave(closed)
        if closed.successor is not None:
            await self._go_on_as(closed, closed.successor)
        await self._releaser.release(closed)
        if closed.alarmed:
            await self._js.purge(INBOX, subjects.timers_of(closed.run_id))
        await self._empty_inbox(closed)  # last: the news of the end is in there

    async def _empty_inbox(self, closed: RunClosed) -> None:
        if closed.successor is None:
            await self._js.clear(INBOX, subjects.inbox_of(closed.run_id))
        else:
            await self._succession.clear(closed.run_id, closed.successor.run_id)

    async def _tell(self, closed: RunClosed, parent: Parent) -> None:
        """Tell a parent; where that one has ended too, nobody is waked by it: see `Waker`."""
        if closed.merged_into is not None:
            await self._followers.add(closed.merged_into, parent)
        else:
            failure = failure_of(closed.run_id, closed.end, closed.failure)
            await keep(self._js, answer_to(parent, result=closed.result, failure=failure))

    async def _leave(self, closed: RunClosed) -> None:
        """Leave the gates, in which a successor keeps the places, and tell those for whom this run stood."""
        if closed.gates:
            has_begun = closed.end in {"completed", "failed"} or closed.successor is not None
            heir = closed.successor.run_id if closed.successor else None
            await self._passage.leave(closed.run_id, closed.gates, has_begun=has_begun, heir=heir)
        if any(gate.merges for gate in closed.gates):
            await self._followers.tell(closed.run_id)

    async def _go_on_as(self, closed: RunClosed, successor: ChildRequested) -> None:
        await self._children.start(successor, gates=tuple(gate for gate in closed.gates if gate.is_left))
