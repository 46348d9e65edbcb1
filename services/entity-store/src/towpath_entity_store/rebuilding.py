"""Rebuilds of the projections: each says how far it is, and in the end whether it could be done."""

from collections.abc import AsyncGenerator, Awaitable, Callable

from towpath_chassis.errors import BrokerError
from towpath_chassis.jetstream import JetStream
from towpath_entity_store.entities.comparing import Comparing
from towpath_entity_store.redis_door import RedisFailedError
from towpath_schemas.failure import Failure
from towpath_schemas.projections import RebuildProgress


async def rebuilt_copies(js: JetStream, comparing: Comparing) -> AsyncGenerator[RebuildProgress]:
    """Compare Redis's copy of each entity with its log, and write anew what differs, so that reads go on."""
    looked_at = written = 0
    try:
        async for verdicts in comparing.compare_all(js):
            looked_at += verdicts.total()
            written += verdicts.total() - verdicts["right"]
            yield RebuildProgress(looked_at=looked_at, written=written)
    except (RedisFailedError, BrokerError) as error:
        yield _failed(looked_at, written, error)


async def rebuilt(
    build: Callable[[], Awaitable[object]], *expected: type[Exception]
) -> AsyncGenerator[RebuildProgress]:
    """Have something built anew that does not tell how far it is; it may fail by what is `expected`, too."""
    try:
        await build()
        yield RebuildProgress()
    except (RedisFailedError, BrokerError, *expected) as error:
        yield _failed(0, 0, error)


def _failed(looked_at: int, written: int, error: Exception) -> RebuildProgress:
    message = f"it cannot be built now: {error}; ask for it again"
    failure = Failure(code="unavailable", message=message, retryable=True)
    return RebuildProgress(looked_at=looked_at, written=written, failure=failure)
