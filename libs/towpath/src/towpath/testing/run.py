"""One run of a platform in a test, as the test sees it."""

from typing import Any

from towpath.asking import asking
from towpath.errors import ComponentError, RequestRefusedError
from towpath.testing.environment import Environment
from towpath.testing.host import Host
from towpath.testing.journals import journal_line
from towpath.testing.refusals import check_size
from towpath.testing.stored_run import StoredRun
from towpath.values import to_json_value
from towpath_schemas.attribution import Attribution, AttributionClaim
from towpath_schemas.calls import Control, ControlSent, SignalSent
from towpath_schemas.failure import Failure
from towpath_schemas.journal import JournalRecord, RunFinished
from towpath_schemas.requests import ControlRequested, SignalRequested
from towpath_schemas.runs import RunStatus

YEAR_S = 366 * 86_400.0


class VirtualRun:
    """A run; each of its async methods returns when nothing more happens until time passes.

    Where it has continued as new, what is wanted of it is wanted of the one that goes on.

    Attributes:
        run_id: Its id.
    """

    def __init__(self, host: Host, environment: Environment, stored: StoredRun) -> None:
        self.run_id = stored.run_id
        self._host = host
        self._environment = environment
        self._stored = stored

    def __repr__(self) -> str:
        return f"<run {self.run_id} of {self._stored.started.component!r}: {self.status}>"

    # --- Looking at it ------------------------------------------------------------------------------

    @property
    def status(self) -> RunStatus:
        """How it is."""
        return self._stored.status

    @property
    def journal(self) -> list[JournalRecord]:
        """All that was recorded of it, in order."""
        return [record for _, record in self._stored.journal()]

    @property
    def waits_for(self) -> list[str]:
        """What it has begun that has not ended, for people, such as `timer 'timer'`."""
        return self._stored.waits_for

    @property
    def chunks(self) -> list[Any]:
        """What its component has streamed so far, such as the events of an agent."""
        streamed = self._stored.streams.get(None)
        return streamed.in_order() if streamed else []

    @property
    def streams(self) -> dict[str, list[Any]]:
        """What else has streamed in it, such as each function that it calls, by its place in the run."""
        return {key: streamed.in_order() for key, streamed in self._stored.streams.items() if key is not None}

    @property
    def in_memory(self) -> bool:
        """Whether it is held in memory; one that waits for long is not."""
        return self._host.process_of(self.run_id) is not None

    def export(self) -> str:
        """Write the journal as JSON lines, as `check_replay` reads them."""
        return "".join(f"{journal_line(number, record)}\n" for number, record in self._stored.journal())

    # --- Its end ------------------------------------------------------------------------------------

    async def result(self, timeout_s: float = YEAR_S) -> Any:
        """Let time pass until the run has ended, and return its result, as JSON carries it.

        Args:
            timeout_s: Virtual seconds after which to give up.

        Raises:
            ComponentError: If it failed, was cancelled or was terminated.
            StuckError: If it waits for something that does not come by itself.
            TimeoutError: If it has not ended within `timeout_s`.
        """
        ended = await self.ended(timeout_s)
        if ended.end == "completed":
            return ended.result
        message = f"run {self.run_id} was {ended.end}"
        raise ComponentError(ended.failure or Failure(code="cancelled", message=message))

    async def ended(self, timeout_s: float = YEAR_S) -> RunFinished:
        """Let time pass until the run has ended, and say how; of one that continued as new, how the last one did.

        Raises:
            StuckError: If it waits for something that does not come by itself.
            TimeoutError: If it has not ended within `timeout_s`.
        """
        timeline, stored = self._environment.timeline, self._stored
        latest = timeline.now() + timeout_s
        while True:
            self._host.check()
            try:
                await timeline.until(stored.ended, latest)
            finally:
                self._host.check()
            finished = stored.finished
            if finished is not None and finished.successor is None:
                return finished
            stored = self._host.successor_of(stored)

    # --- What others want of it -----------------------------------------------------------------------

    async def signal(
        self,
        name: str,
        payload: Any = None,
        *,
        signal_id: str | None = None,
        attribution: AttributionClaim | None = None,
    ) -> None:
        """Send it a signal, which is kept until it waits for one of this name.

        Args:
            name: The signal's name.
            payload: What the wait returns.
            signal_id: The same signal sent twice is one.
            attribution: Who sends it.

        Raises:
            RequestRefusedError: If the run has ended, or the payload is too large.
            InvalidInputError: If an argument is not what it takes.
        """
        asked = asking(
            SignalRequested,
            name=name,
            payload=to_json_value(payload),
            signal_id=signal_id,
            attribution=attribution,
        )
        sent = SignalSent(
            signal_id=asked.signal_id or self._host.next_id("signal"),
            run_id=self.run_id,
            name=asked.name,
            payload=asked.payload,
            attribution=self._by(asked.attribution),
        )
        check_size("the signal with its payload", len(sent.to_body()))
        await self._send(sent)

    async def cancel(self, reason: str | None = None) -> None:
        """Ask it to end; its code hears a `CancelledError` and may clean up.

        Raises:
            RequestRefusedError: If it has ended.
            InvalidInputError: If the reason is none.
        """
        await self._control("cancel", reason)

    async def pause(self, reason: str | None = None) -> None:
        """Have it begin nothing new.

        Raises:
            RequestRefusedError: If it has ended.
            InvalidInputError: If the reason is none.
        """
        await self._control("pause", reason)

    async def unpause(self, reason: str | None = None) -> None:
        """Have it go on.

        Raises:
            RequestRefusedError: If it has ended.
            InvalidInputError: If the reason is none.
        """
        await self._control("unpause", reason)

    async def terminate(self, reason: str | None = None) -> None:
        """End it at once; its code is not told and cannot clean up.

        Raises:
            RequestRefusedError: If it has ended.
            InvalidInputError: If the reason is none.
        """
        asked = asking(ControlRequested, reason=reason)
        self._check_goes_on()
        message = "the run was terminated" + (f": {asked.reason}" if asked.reason else "")
        failure = Failure(code="terminated", message=message)
        at = self._environment.timeline.now()
        self._host.terminate(
            self._host.newest(self._stored), RunFinished(at=at, end="terminated", failure=failure)
        )
        await self._settle()

    async def _control(self, control: Control, reason: str | None) -> None:
        asked = asking(ControlRequested, reason=reason)
        await self._send(
            ControlSent(
                event_id=self._host.next_id(control),
                run_id=self.run_id,
                control=control,
                reason=asked.reason,
                attribution=self._by(None),
            )
        )

    async def _send(self, event: SignalSent | ControlSent) -> None:
        self._check_goes_on()
        self._host.deliver(event)
        await self._settle()

    def _check_goes_on(self) -> None:
        newest = self._host.newest(self._stored)
        if newest.finished is not None and newest.heir is None:
            message = f"run {self.run_id!r} has ended; start a new one"
            raise RequestRefusedError(Failure(code="run_ended", message=message))

    def _by(self, claim: AttributionClaim | None) -> Attribution:
        return Attribution.vouched(self._stored.started.attribution.tenant, claim)

    async def _settle(self) -> None:
        await self._environment.timeline.rest()
        self._host.check()
