"""Sends one signal to every run of a tenant that waits for it."""

import asyncio
from collections.abc import AsyncGenerator

from towpath_chassis.inbox import keep
from towpath_chassis.jetstream import JetStream
from towpath_router.requests import Asked
from towpath_schemas import subjects
from towpath_schemas.calls import SignalSent
from towpath_schemas.requests import BroadcastRequested, RequestDone
from towpath_schemas.runs import RunsAsked, RunsListed

_PAGE = 1_000
_NAMED = 10_000
_LISTED_WITHIN_S = 15.0


class Broadcaster:
    """Broadcasts signals; the index of runs says who waits."""

    def __init__(self, js: JetStream) -> None:
        self._js = js

    async def broadcast(self, asked: Asked[BroadcastRequested]) -> RequestDone:
        """Send a signal to all that wait for it now; tell to whom, up to a limit.

        Who began to wait a moment ago may be missed: the index follows the journal at a distance.

        Raises:
            BrokerError: If the index cannot be asked; broadcast again, each run takes the signal once.
        """
        reached: list[str] = []
        async for run_ids in self._waiting(asked):
            await asyncio.gather(*(keep(self._js, _signal(asked, run_id)) for run_id in run_ids))
            reached += run_ids
        return RequestDone(subject=asked.request.subject, targets=tuple(reached[:_NAMED]))

    async def _waiting(self, asked: Asked[BroadcastRequested]) -> AsyncGenerator[list[str]]:
        cursor: str | None = None
        while True:
            question = RunsAsked(
                tenant=asked.tenant, waiting_for_signal=asked.target, limit=_PAGE, cursor=cursor
            )
            listed = await self._ask(question)
            yield [run.run_id for run in listed.runs]
            if listed.cursor is None:
                return
            cursor = listed.cursor

    async def _ask(self, question: RunsAsked) -> RunsListed:
        subject = subjects.runs_index("list")
        answer = await self._js.request(subject, question.to_body(), within_s=_LISTED_WITHIN_S)
        return RunsListed.from_body(answer.data)


def _signal(asked: Asked[BroadcastRequested], run_id: str) -> SignalSent:
    return SignalSent(
        signal_id=asked.said.signal_id or asked.own_id,
        run_id=run_id,
        name=asked.target,
        payload=asked.said.payload,
        attribution=asked.by,
    )
