"""Telling runs what to do: signals, the wish that they end, stand still or go on; and doing one again from some act on."""

from typing import Any

from towpath.asking import asking
from towpath.client.connection import Connection
from towpath.values import to_json_value
from towpath_schemas.attribution import AttributionClaim
from towpath_schemas.requests import (
    BroadcastRequested,
    ControlRequested,
    ForkRequested,
    RequestDone,
    Requested,
    SignalRequested,
)
from towpath_schemas.speaking import MESSAGE


class Steering(Connection):
    """Tells runs what to do.

    A run that has continued as new is asked by any of the ids that it had: what is said reaches the one that goes on.

    Each method returns once the platform has the request, and can no longer lose it; the run hears of it in its own time.
    Each takes `tenant`, whose the run is (looked up if not given), and `attribution`, who is behind the request; and raises

    * `UnknownRunError` if there is no such run,
    * `RequestRefusedError` if the platform says no, such as to a run that has ended,
    * `UnavailableError` if nobody says anything.
    """

    async def signal(
        self,
        run_id: str,
        name: str,
        payload: Any = None,
        *,
        signal_id: str | None = None,
        tenant: str | None = None,
        attribution: AttributionClaim | None = None,
    ) -> None:
        """Send a signal to a run; it is kept until the run waits for one of its name.

        Signals that are sent one after the other by the same id of a run are received in that order, also by runs that go
        on from it; those by different ids of such a line, and broadcasts, have no order.

        Args:
            run_id: The run.
            name: As in the run's `ctx.signal(name)`.
            payload: What the run gets; anything JSON can carry.
            signal_id: The same signal sent twice is one.
            tenant: See above.
            attribution: See above.
        """
        asked = asking(
            SignalRequested,
            name=name,
            payload=to_json_value(payload),
            signal_id=signal_id,
            attribution=attribution,
        )
        await self._of_run("signal", run_id, asked, tenant)

    async def send(
        self,
        run_id: str,
        message: str,
        *,
        message_id: str | None = None,
        tenant: str | None = None,
        attribution: AttributionClaim | None = None,
    ) -> None:
        """Say something to the agent of a run while it works: it hears it before it asks its model again.

        Args:
            run_id: A run that is an agent.
            message: What it is told, as a message of the user.
            message_id: The same message sent twice is one.
            tenant: See above.
            attribution: See above.
        """
        await self.signal(
            run_id, MESSAGE, message, signal_id=message_id, tenant=tenant, attribution=attribution
        )

    async def broadcast(
        self,
        name: str,
        payload: Any = None,
        *,
        signal_id: str | None = None,
        tenant: str = "default",
        attribution: AttributionClaim | None = None,
    ) -> tuple[str, ...]:
        """Send a signal to every run of the tenant that waits for its name now; return which those were.

        Who waits says the index of runs, which may be a moment behind.
        """
        asked = asking(
            BroadcastRequested, payload=to_json_value(payload), signal_id=signal_id, attribution=attribution
        )
        return (await self._ask("broadcast", name, asked, tenant)).targets

    async def cancel(
        self,
        run_id: str,
        reason: str | None = None,
        *,
        tenant: str | None = None,
        attribution: AttributionClaim | None = None,
    ) -> None:
        """Ask a run to end: its code hears it at its next await, and may clean up first."""
        await self._control("cancel", run_id, reason, tenant, attribution)

    async def terminate(
        self,
        run_id: str,
        reason: str | None = None,
        *,
        tenant: str | None = None,
        attribution: AttributionClaim | None = None,
    ) -> None:
        """End a run at once; its code is not told, and cannot clean up."""
        await self._control("terminate", run_id, reason, tenant, attribution)

    async def pause(
        self,
        run_id: str,
        reason: str | None = None,
        *,
        tenant: str | None = None,
        attribution: AttributionClaim | None = None,
    ) -> None:
        """Have a run stand still: it begins nothing more until it is unpaused."""
        await self._control("pause", run_id, reason, tenant, attribution)

    async def unpause(
        self,
        run_id: str,
        reason: str | None = None,
        *,
        tenant: str | None = None,
        attribution: AttributionClaim | None = None,
    ) -> None:
        """Have a paused run go on."""
        await self._control("unpause", run_id, reason, tenant, attribution)

    resume = unpause

    async def purge(
        self,
        run_id: str,
        reason: str | None = None,
        *,
        tenant: str | None = None,
        attribution: AttributionClaim | None = None,
    ) -> None:
        """Forget a run that has ended: its inputs and results are removed; the audit trail keeps that it was."""
        await self._control("purge", run_id, reason, tenant, attribution)

    async def fork(
        self,
        run_id: str,
        until: str,
        *,
        idempotency_key: str | None = None,
        tenant: str | None = None,
        attribution: AttributionClaim | None = None,
    ) -> str:
        """Start a new run that has done what another had done up to an act, and goes on by itself; return its id.

        It is on behalf of whom the other one is.

        Args:
            run_id: The run whose past it takes over.
            until: Key of the first act that it does anew, such as `charge#0`.
            idempotency_key: The same fork asked for twice is one.
            tenant: See above.
            attribution: Who asks for it, which the audit stream tells.
        """
        asked = asking(ForkRequested, until=until, idempotency_key=idempotency_key, attribution=attribution)
        whose = await self._tenant(run_id, tenant)
        accepted = await self._opened.ask_for_run(
            "fork", run_id, asked, tenant=whose, within_s=self._patience_s
        )
        return accepted.run_id

    async def _control(
        self,
        verb: str,
        run_id: str,
        reason: str | None,
        tenant: str | None,
        attribution: AttributionClaim | None,
    ) -> None:
        await self._of_run(
            verb, run_id, asking(ControlRequested, reason=reason, attribution=attribution), tenant
        )

    async def _of_run(self, verb: str, run_id: str, asked: Requested, tenant: str | None) -> None:
        await self._ask(verb, run_id, asked, await self._tenant(run_id, tenant))

    async def _ask(self, verb: str, target: str, asked: Requested, tenant: str) -> RequestDone:
        return await self._opened.ask(verb, target, asked, tenant=tenant, within_s=self._patience_s)
