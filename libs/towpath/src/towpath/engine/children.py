"""Child runs, from the side of the run that starts them."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

from towpath.coordination import ChildHandle, Join, ended_behind
from towpath.engine.acting import Actor, Call, send
from towpath.engine.asked import Asked
from towpath.engine.giving_up import giving_up
from towpath.engine.live_run import LiveRun
from towpath.engine.tasks import outside
from towpath.errors import ContinuedAsNewError
from towpath.values import to_json_value
from towpath_schemas import identity
from towpath_schemas.journal import CallSettled

T = TypeVar("T")

Read = Callable[[CallSettled], Any]
"""Makes a child's result of the record that settled it."""


class Children:
    """The child runs that the code of one run has started.

    A start is a promise that is kept beside the code: what ends in the meantime, a step or the run, ends only when it
    is kept, so that no child is lost and none is begun behind the end of what began it.
    """

    def __init__(self, run: LiveRun, actor: Actor) -> None:
        self._run = run
        self._actor = actor
        self._starting: dict[str, asyncio.Task[None]] = {}
        self._required: list[DurableChild] = []
        self._waits: Counter[str] = Counter()

    def start(self, call: Call, join: Join, read: Read) -> "DurableChild":
        """Start a child; its intent is journaled before the code can await anything else.

        Where several have one key, only the first one's arguments count.
        """
        starting = self._starting.get(call.place)
        if starting is None:
            starting = self._starting[call.place] = outside(self._start(call), f"spawn-{call.place}")
        wait = partial(self._next_wait, call)
        child = DurableChild(self._run, call, starting, read, wait, ends_with_us=join != "detached")
        if join == "required":
            self._required.append(child)
        return child

    def _next_wait(self, call: Call) -> Asked:
        """Name a wait for a child's end: the code may give it up and wait again later."""
        self._waits[call.place] += 1
        return Asked(f"{call.place}.result#{self._waits[call.place]}", "run", call.target)

    async def _start(self, call: Call) -> None:
        intent = self._run.history.intended(call.place)
        if intent is None:
            await self._run.ask(call.asked)
            intent = await self._actor.intend(call)
        else:
            self._run.replay.known(call.asked)
        if self._run.history.outcome(call.place) is None:
            await send(self._run, intent)

    async def started_by(self, code: Awaitable[T], inside: str = "") -> T:
        """Await code; when this ends, what the code has started has begun, however the code ended.

        Args:
            code: The code of the run, or of one step.
            inside: What the places of acts of this code begin with.

        Raises:
            ComponentError: If one could not be started, and the code did not fail itself.
        """
        try:
            result = await code
        except ContinuedAsNewError:
            await self._begun(inside)
            raise
        except BaseException:
            await self._begun_or_stopped(inside)
            raise
        await self._begun(inside)
        return result

    async def _begun(self, inside: str) -> None:
        if self._starting:
            await asyncio.gather(*self._starting_in(inside))

    async def _begun_or_stopped(self, inside: str) -> None:
        """Return when what was started has begun; where the run was let go, somebody else will begin it."""
        starting = self._starting_in(inside)
        if self._run.let_go.is_set():
            for one in starting:
                one.cancel()
        await asyncio.gather(*starting, return_exceptions=True)  # the code has an error of its own

    def _starting_in(self, inside: str) -> list["asyncio.Task[None]"]:
        return [starting for place, starting in self._starting.items() if place.startswith(inside)]

    async def joined(self, code: Awaitable[T]) -> T:
        """Await the code of the run; where it has not failed, the run ends behind the children that it requires."""
        return await ended_behind(self._required_ended, self.started_by(code))

    async def _required_ended(self) -> None:
        await asyncio.gather(*(child.result() for child in self._required), return_exceptions=True)


class DurableChild(ChildHandle):
    """A child run that was started, or is about to be."""

    def __init__(
        self,
        run: LiveRun,
        call: Call,
        starting: "asyncio.Task[None]",
        read: Read,
        wait: Callable[[], Asked],
        *,
        ends_with_us: bool,
    ) -> None:
        self.run_id = identity.child_run_id(run.run_id, call.place)
        self._run = run
        self._call = call
        self._starting = starting
        self._read = read
        self._wait = wait
        self._ends_with_us = ends_with_us

    def result(self) -> Coroutine[Any, Any, Any]:
        """Wait for its result; see `ChildHandle.result`."""
        return self._result(self._wait())

    async def _result(self, wait: Asked) -> Any:
        try:
            with giving_up(self._run, wait):
                await self._run.until_given_up(wait)
                await asyncio.shield(self._starting)
                return self._read(await self._run.answer(self._call.place))
        except asyncio.CancelledError:
            if self._ends_with_us and self._run.cancelling.told and not self._run.let_go.is_set():
                await self.cancel("its parent was cancelled")  # and not only when that has cleaned up
            raise

    async def cancel(self, reason: str | None = None) -> None:
        """Ask it to end; it may clean up first. A run that is only dropped from memory asks for nothing."""
        await self._run.check_going_on()
        event_id = identity.derived_id("cancel", self._run.run_id, self._call.place)
        await self._run.outbox.cancel(self.run_id, event_id, to_json_value(reason))
