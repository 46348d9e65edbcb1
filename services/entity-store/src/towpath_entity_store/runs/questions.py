"""What can be asked about many runs: answered from the index, once it stands."""

from towpath_chassis.jetstream import JetStream
from towpath_entity_store.runs.approvals import PendingApprovals
from towpath_entity_store.runs.following import RunsFollower
from towpath_entity_store.runs.index import RunsIndex
from towpath_entity_store.runs.listing import Listing
from towpath_schemas.approvals import ApprovalsAsked, ApprovalsListed
from towpath_schemas.runs import RunsAsked, RunsListed

_AROUND_VIEWS_BYTES = 4_096


class Questions:
    """Answers questions about many runs."""

    def __init__(self, js: JetStream, index: RunsIndex, follower: RunsFollower) -> None:
        max_bytes = js.nats.max_payload - _AROUND_VIEWS_BYTES
        self._follower = follower
        self._runs = Listing(index, max_bytes=max_bytes)
        self._approvals = PendingApprovals(js, index, self._runs, max_bytes=max_bytes)

    async def runs(self, asked: RunsAsked) -> RunsListed:
        """List runs.

        Raises:
            RedisFailedError: If Redis is lost.
        """
        await self._follower.until_standing()
        return await self._runs.listed(asked)

    async def approvals(self, asked: ApprovalsAsked) -> ApprovalsListed:
        """List the approvals that wait for somebody.

        Raises:
            RedisFailedError: If Redis is lost.
            BrokerError: If the journal cannot be read now.
        """
        await self._follower.until_standing()
        return await self._approvals.listed(asked)
