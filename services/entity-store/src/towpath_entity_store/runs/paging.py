"""Goes through lists of the index, newest first, and fills pages of a bounded size with a bounded effort."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Generic, TypeVar, cast

from towpath_entity_store.redis_door import RedisDoor
from towpath_schemas.paging import Cursor, PageAsked
from towpath_schemas.shape import Shape

_LOOKED_AT = 4_000

ViewT = TypeVar("ViewT", bound=Shape)


class Page(Generic[ViewT]):
    """A page that is being filled; `max_bytes` is how long it may be.

    Attributes:
        views: What it has.
        cursor: Where it ends; None where nothing was looked at.
    """

    def __init__(self, asked: PageAsked, *, max_bytes: int) -> None:
        self.views: list[ViewT] = []
        self.cursor: str | None = asked.cursor
        self._limit = asked.limit
        self._bytes = max_bytes
        self._looked_at = 0

    def takes(self, place: Cursor, view: ViewT | None) -> bool:
        """Look at what stands at a place of the list, and take it if there is a view of it; False if there is no room."""
        if len(self.views) >= self._limit or self._looked_at >= _LOOKED_AT:
            return False
        if view is not None:
            self._bytes -= len(view.to_body()) + 1
            if self._bytes < 0 and self.views:
                return False
            self.views.append(view)
        self._looked_at += 1
        self.cursor = place.written
        return True


async def newest_first(
    redis: RedisDoor,
    lists: Sequence[str],
    asked: PageAsked,
    *,
    at_once: int,
    since: float | None = None,
    before: float | None = None,
) -> AsyncGenerator[list[Cursor]]:
    """Yield what stands in any of the lists, from the cursor on, in batches, none of them empty.

    Raises:
        RedisFailedError: If Redis is lost.
    """
    behind = Cursor.read(asked.cursor) if asked.cursor else None
    oldest = "-inf" if since is None else repr(since)
    newest = "+inf" if before is None else f"({before!r}"
    while True:
        upto = newest if behind is None else repr(behind.at)
        found = await asyncio.gather(*(_some(redis, one, (upto, oldest), behind, at_once) for one in lists))
        batch = sorted({place for some in found for place in some}, reverse=True)[:at_once]
        if not batch:
            return
        yield batch
        behind = batch[-1]


async def _some(
    redis: RedisDoor, name: str, span: tuple[str, str], behind: Cursor | None, at_once: int
) -> list[Cursor]:
    """Read the next of a list; many may be of the moment at which the page before ended."""
    offset = 0
    while True:
        question = (name, *span, "WITHSCORES", "LIMIT", offset, at_once)
        said = cast("list[tuple[bytes, float]]", await redis.ask("ZREVRANGEBYSCORE", *question))
        places = [Cursor(at, last.decode()) for last, at in said]
        further = [place for place in places if behind is None or place < behind]
        if further or len(places) < at_once:
            return further
        offset += at_once
