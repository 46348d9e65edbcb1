"""Lists the approvals that wait for somebody: which there are says the index, what they are about the journal."""

import asyncio
import time
from collections.abc import Sequence

from pydantic import ValidationError

from towpath_chassis.jetstream import JetStream
from towpath_chassis.messages import StoredMessage
from towpath_entity_store.runs.changes import in_
from towpath_entity_store.runs.index import RunsIndex
from towpath_entity_store.runs.listing import Listing
from towpath_entity_store.runs.paging import Page, newest_first
from towpath_schemas import subjects
from towpath_schemas.approvals import (
    ApprovalAsked,
    ApprovalsAsked,
    ApprovalsListed,
    ApprovalView,
    approval_id,
)
from towpath_schemas.journal import CallIntended, read_record
from towpath_schemas.paging import Cursor
from towpath_schemas.runs import RunView
from towpath_schemas.streams import JOURNAL

_AT_ONCE = 16  # what they are about may be long


class PendingApprovals:
    """Answers which approvals wait; `max_bytes` is how long an answer may be."""

    def __init__(self, js: JetStream, index: RunsIndex, runs: Listing, *, max_bytes: int) -> None:
        self._js = js
        self._index = index
        self._runs = runs
        self._max_bytes = max_bytes

    async def listed(self, asked: ApprovalsAsked) -> ApprovalsListed:
        """List the newest approvals that match, and that can still be decided.

        Raises:
            RedisFailedError: If Redis is lost.
            BrokerError: If the journal cannot be read now.
        """
        page = Page[ApprovalView](asked, max_bytes=self._max_bytes)
        name = "approvals" if asked.tenant is None else in_("approvals", asked.tenant)
        async for places in newest_first(self._index.redis, [self._index.key(name)], asked, at_once=_AT_ONCE):
            views = await self._views(places)
            for place, view in zip(places, views, strict=True):
                if not page.takes(place, view if view and _matches(view, asked) else None):
                    return ApprovalsListed(approvals=tuple(page.views), cursor=page.cursor)
        return ApprovalsListed(approvals=tuple(page.views))

    async def _views(self, places: Sequence[Cursor]) -> list[ApprovalView | None]:
        """Show the approvals whose intents stand at these places: sequences of the journal."""
        reading = (self._js.at(JOURNAL, int(place.last)) for place in places)
        intents = await asyncio.gather(*reading)
        run_ids = [subjects.read_journal_entry(intent.subject)[0] if intent else "" for intent in intents]
        runs = await self._runs.views(run_ids)
        return [
            _view(intent, run) if intent and run else None for intent, run in zip(intents, runs, strict=True)
        ]


def _view(intent: StoredMessage, run: RunView) -> ApprovalView | None:
    try:
        record = read_record(intent.body)
        if not isinstance(record, CallIntended):
            return None
        asked = ApprovalAsked.model_validate(record.input)
    except ValidationError:
        return None  # a newer version wrote it
    return ApprovalView(
        approval_id=approval_id(*subjects.read_journal_entry(intent.subject)),
        run_id=run.run_id,
        component=run.component,
        name=record.target,
        asked=asked,
        created_at=record.at,
        expires_at=record.until,
        attribution=run.attribution,
    )


def _matches(view: ApprovalView, asked: ApprovalsAsked) -> bool:
    roles = view.asked.roles
    return (
        (view.expires_at is None or view.expires_at > time.time())
        and (asked.role is None or not roles or asked.role in roles)
        and asked.run_id in {None, view.run_id}
    )
