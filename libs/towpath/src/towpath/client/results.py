"""Waiting for the end of runs."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Unpack

from towpath.client.output import tells_end
from towpath.client.starting import Starting, StartOptions
from towpath.client.views import line_of, line_of_forgotten, view, was_purged
from towpath.errors import ComponentError, RunStoppedError, UnavailableError, UnknownRunError
from towpath_chassis.listening import listening
from towpath_schemas import subjects
from towpath_schemas.failure import Failure
from towpath_schemas.identity import successor_run_id
from towpath_schemas.runs import RunView

_LOOK_EVERY_S = 2.0


class Results(Starting):
    """Waits for runs."""

    async def run(
        self,
        component: str,
        input: object = None,  # noqa: A002 - the word of the request
        *,
        timeout_s: float | None = None,
        **options: Unpack[StartOptions],
    ) -> Any:
        """Start a run, wait for its end, return its result; see `start` and `result` for what is raised."""
        return await self.result(await self.start(component, input, **options), timeout_s)

    async def result(self, run_id: str, timeout_s: float | None = None) -> Any:
        """Wait for the end of a run and return its result; of one that continued as new, that of the last.

        Raises:
            RunStoppedError: If it was cancelled or terminated: it has no result.
            ComponentError: If it failed; it carries the reason.
            UnknownRunError: If there is no such run; or if the one that went on from it, or stood for it, was purged:
                it names that one.
            TimeoutError: If it has not ended within `timeout_s` seconds; it goes on.
        """
        async with _within(timeout_s, run_id):
            last = await self._end_of_line(run_id)
            while last.status == "continued" and last.successor is not None:
                last = await self._end_of_heir(last, last.successor)
        if last.status == "completed" and last.failure is None:
            return last.result
        message = f"run {last.run_id} of {last.component!r} was {last.status}"
        if last.status in {"cancelled", "terminated"}:
            raise RunStoppedError(last.failure or Failure(code="cancelled", message=message))
        raise ComponentError(last.failure or Failure(code="unavailable", message=message))

    async def ended(self, run_id: str, timeout_s: float | None = None) -> RunView:
        """Wait for the end of a run, whichever it is.

        Raises:
            UnknownRunError: If there is no such run.
            TimeoutError: If it has not ended within `timeout_s` seconds; it goes on.
        """
        async with _within(timeout_s, run_id):
            return await self._end_of(run_id)

    async def _end_of_heir(self, run: RunView, successor: str) -> RunView:
        """Wait for the end of the run that goes on from one by now, whoever went on in between."""
        if successor != successor_run_id(run.run_id):
            return await self._end_of_line(successor)  # it stood for this one
        try:
            line = await line_of(self._connected, run.run_id)
        except UnavailableError:
            line = None
        if line is not None and line.has_ended:
            raise UnknownRunError(line.newest)
        if line is not None and line.newest != run.run_id:
            successor = line.newest
        return await self._end_of_line(successor, exists=False)

    async def _end_of_line(self, run_id: str, *, exists: bool = True) -> RunView:
        """Wait for the end of a run; of one that is purged and from which others go on, for that of the newest."""
        try:
            return await self._end_of(run_id, exists=exists)
        except UnknownRunError:
            line = await line_of_forgotten(self._connected, run_id)
            if line is None or line.has_ended:
                raise
            return await self._end_of(line.newest, exists=False)

    async def _end_of(self, run_id: str, *, exists: bool = True) -> RunView:
        if subjects.token(run_id) != run_id:
            raise UnknownRunError(run_id)  # no run has such an id, and no subject could name it
        told = asyncio.Event()

        def take(_subject: str, body: bytes) -> None:
            if tells_end(body):  # and no chunk of what it streams
                told.set()

        async with listening(self._connected, subjects.output(run_id), take):
            return await self._ended(run_id, told, exists=exists)

    async def _ended(self, run_id: str, told: asyncio.Event, *, exists: bool) -> RunView:
        """Look whenever the run's end may have been told, and now and then in case that was missed."""
        while True:
            told.clear()
            run = await self._seen(run_id, exists=exists)
            if run is not None and run.finished_at is not None:
                return run
            await _stirred(told, _LOOK_EVERY_S)

    async def _seen(self, run_id: str, *, exists: bool) -> RunView | None:
        try:
            run = await view(self._connected, run_id)
            is_unknown = run is None and (exists or await was_purged(self._connected, run_id))
        except UnavailableError:
            return None
        if is_unknown:
            raise UnknownRunError(run_id)
        return run


@asynccontextmanager
async def _within(timeout_s: float | None, run_id: str) -> AsyncGenerator[None]:
    try:
        async with asyncio.timeout(timeout_s):
            yield
    except TimeoutError:
        raise TimeoutError(f"run {run_id} has not ended within {timeout_s:g} s") from None


async def _stirred(event: asyncio.Event, within_s: float) -> None:
    waiting = asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait({waiting}, timeout=within_s)
    finally:  # also where whoever waits gives up
        waiting.cancel()
