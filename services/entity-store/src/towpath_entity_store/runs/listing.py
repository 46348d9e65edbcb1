"""Lists runs from the index, newest first."""

import asyncio
from collections.abc import Sequence
from typing import cast

import orjson

from towpath_entity_store.runs.changes import BY_ATTRIBUTION, in_
from towpath_entity_store.runs.index import RunsIndex
from towpath_entity_store.runs.paging import Page, newest_first
from towpath_schemas.attribution import Attribution
from towpath_schemas.components import ComponentKind
from towpath_schemas.failure import Failure
from towpath_schemas.runs import RunsAsked, RunsListed, RunStatus, RunView

_AT_LEAST, _AT_MOST = 20, 200
_NOT_AT_WORK = frozenset[RunStatus]({"suspended", "paused"})


class Listing:
    """Answers which runs there are; `max_bytes` is how long an answer may be."""

    def __init__(self, index: RunsIndex, *, max_bytes: int) -> None:
        self._index = index
        self._max_bytes = max_bytes

    async def listed(self, asked: RunsAsked) -> RunsListed:
        """List the newest runs that match.

        Raises:
            RedisFailedError: If Redis is lost.
        """
        page = Page[RunView](asked, max_bytes=self._max_bytes)
        if asked.run_id is not None:
            page.views = [view for view in await self.views([asked.run_id]) if view and _matches(view, asked)]
            return RunsListed(runs=tuple(page.views))
        lists = await self._fewest(asked)
        batches = newest_first(
            self._index.redis,
            lists,
            asked,
            at_once=min(max(asked.limit, _AT_LEAST), _AT_MOST),
            since=asked.created_after,
            before=asked.created_before,
        )
        async for places in batches:
            views = await self.views([place.last for place in places])
            for place, view in zip(places, views, strict=True):
                if not page.takes(place, view if view and _matches(view, asked) else None):
                    return RunsListed(runs=tuple(page.views), cursor=page.cursor)
        return RunsListed(runs=tuple(page.views))

    async def views(self, run_ids: Sequence[str]) -> list[RunView | None]:
        """Show runs; None for one that is not known.

        Raises:
            RedisFailedError: If Redis is lost.
        """
        asking = (self._index.redis.ask("HGETALL", self._index.run(run_id)) for run_id in run_ids)
        found = cast("list[dict[bytes, bytes]]", await asyncio.gather(*asking))
        return [_view(run_id, known) for run_id, known in zip(run_ids, found, strict=True)]

    async def _fewest(self, asked: RunsAsked) -> list[str]:
        """Choose the lists to go through: together they have all that match, and little else."""
        of = (asked.tenant,) if asked.tenant is not None else ()
        if asked.waiting_for_signal is not None:  # only this list knows who does
            return [self._index.key(in_("signal", asked.waiting_for_signal, *of))]
        choices = [[self._index.key(in_(by, value))] for by, value in _wanted(asked).items()]
        if statuses := _statuses(asked):
            choices.append([self._index.key(in_("status", status, *of)) for status in statuses])
        sizes = [(await self._size(lists), lists) for lists in choices]
        return min(sizes)[1] if sizes else [self._index.key("all")]

    async def _size(self, lists: Sequence[str]) -> int:
        asking = (self._index.redis.ask("ZCARD", one) for one in lists)
        return sum(cast("list[int]", await asyncio.gather(*asking)))


def _wanted(asked: RunsAsked) -> dict[str, str]:
    names = ("component", "parent", *BY_ATTRIBUTION)
    return {name: value for name in names if (value := getattr(asked, name)) is not None}


def _statuses(asked: RunsAsked) -> tuple[RunStatus, ...]:
    said = asked.status
    return said if isinstance(said, tuple) else () if said is None else (said,)


def _matches(view: RunView, asked: RunsAsked) -> bool:
    is_as_wanted = all(
        value == (getattr(view.attribution, name) if name in BY_ATTRIBUTION else getattr(view, name))
        for name, value in _wanted(asked).items()
    )
    return is_as_wanted and (not asked.status or view.status in _statuses(asked))


def _view(run_id: str, found: dict[bytes, bytes]) -> RunView | None:
    if b"shown" not in found:
        return None
    known = {name.decode(): value.decode() for name, value in found.items() if value}
    status = cast("RunStatus", known["shown"])
    return RunView(
        run_id=run_id,
        component=known["component"],
        component_kind=cast("ComponentKind | None", known.get("component_kind")),
        service=known.get("service"),
        status=status,
        created_at=float(known["created_at"]),
        finished_at=float(known["finished_at"]) if "finished_at" in known else None,
        failure=Failure.from_body(known["failure"].encode()) if "failure" in known else None,
        attribution=Attribution.from_body(known["attribution"].encode()),
        waiting_for=_waiting_for(known, status),
        parent=known.get("parent"),
        successor=known.get("successor"),
        attempts=int(known["attempts"]) if "attempts" in known else None,
    )


def _waiting_for(known: dict[str, str], status: RunStatus) -> tuple[str, ...]:
    """Tell what a run waits for: what it said when it was dropped from memory; else the signals and approvals."""
    if "finished_at" in known:
        return ()
    said = known.get("waiting_for") if status in _NOT_AT_WORK else None
    return tuple(orjson.loads(said or known.get("waits") or b"[]"))
