"""Child runs, from the side of the run that starts them."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from towpath.coordination import ChildHandle, Join
from towpath.engine.acting import Actor, Call, send
from towpath.engine.asked import call_asked
from towpath.engine.live_run import LiveRun
from towpath.engine.tasks import outside
from towpath_schemas import identity
from towpath_schemas.journal import CallSettled

Read = Callable[[CallSettled], Any]
"""Makes a child's result of the record that settled it."""


class Children:
    """The child runs that the code of one run has started."""

    def __init__(self, run: LiveRun, actor: Actor) -> None:
        self._run = run
        self._actor = actor
        self._starting: set[asyncio.Task[None]] = set()
        self._required: list[DurableChild] = []

    def start(self, call: Call, join: Join, read: Read) -> "DurableChild":
        """Start a child; its intent is journaled before the code can await anything else."""
        starting = outside(self._start(call), f"spawn-{call.place}")
        self._starting.add(starting)
        child = DurableChild(self._run, call, starting, read)
        if join == "required":
            self._required.append(child)
        return child

    async def _start(self, call: Call) -> None:
        await self._run.ask(call_asked(call.place, call.act, call.target))
        intent = self._run.history.intended(call.place) or await self._actor.intend(call)
        if self._run.history.outcome(call.place) is None:
            await send(self._run, intent)

    async def joined(self) -> None:
        """Return when all are started and the required ones have ended, however they did."""
        await asyncio.gather(*self._starting)
        await asyncio.gather(*(child.result() for child in self._required), return_exceptions=True)

    async def stop(self) -> None:
        """Stop what is being started."""
        for starting in self._starting:
            starting.cancel()
        await asyncio.gather(*self._starting, return_exceptions=True)


class DurableChild(ChildHandle):
    """A child run that was started, or is about to be."""

    def __init__(self, run: LiveRun, call: Call, starting: "asyncio.Task[None]", read: Read) -> None:
        self.run_id = identity.child_run_id(run.run_id, call.place)
        self._run = run
        self._call = call
        self._starting = starting
        self._read = read

    def result(self) -> Coroutine[Any, Any, Any]:
        """Wait for its result; see `ChildHandle.result`."""
        return self._result()

    async def _result(self) -> Any:
        try:
            await asyncio.shield(self._starting)
            return self._read(await self._run.answer(self._call.place))
        except asyncio.CancelledError:
            if not self._run.let_go.is_set():
                await self.cancel("its parent was cancelled")
            raise

    async def cancel(self, reason: str | None = None) -> None:
        """Ask it to end; it may clean up first."""
        event_id = identity.derived_id("cancel", self._run.run_id, self._call.place)
        await self._run.outbox.cancel(self.run_id, event_id, reason)
