"""Having projections built anew."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from towpath.client.connection import Connection
from towpath.errors import UnavailableError
from towpath_chassis.errors import BrokerError
from towpath_schemas import subjects
from towpath_schemas.projections import ProjectionName, RebuildAsked, RebuildProgress

_SILENCE_S = 10.0


class Rebuilding(Connection):
    """The part of a client that has projections built anew."""

    async def rebuild(self, projection: ProjectionName) -> AsyncGenerator[RebuildProgress]:
        """Have a projection built anew from the log, while work goes on; yields how far it is, the last time `done`.

        No operator has to: a projection that was emptied or damaged is found and healed. This does it at once.

        Args:
            projection: `redis` (the copies of entities), `qdrant` (the index of memories) or `index` (that of runs).

        Raises (while iterating):
            UnavailableError: If no entity-store does it, or it could not go on.
        """
        asked = RebuildAsked(projection=projection).to_body()
        words = self._connected.converse(subjects.rebuild(projection), asked, silence_s=_SILENCE_S)
        progress = RebuildProgress()
        try:
            async with aclosing(words):
                async for word in words:
                    progress = RebuildProgress.from_body(word.data)
                    if progress.failure is not None:
                        raise UnavailableError(f"{projection} was not built: {progress.failure.message}")
                    yield progress
                    if progress.done:
                        return
        except BrokerError as error:
            raise UnavailableError(f"no entity-store builds {projection}: {error!r}") from error
        raise UnavailableError(
            f"the entity-store that built {projection} fell silent after {progress.looked_at:,}; ask for it again"
        )
