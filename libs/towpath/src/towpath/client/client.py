"""The client: one connection to a platform, for programs that are no part of it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from pydantic import ValidationError

from towpath.client.door import Door, door
from towpath.client.following import events, events_of_run
from towpath.client.views import view
from towpath.errors import ComponentError, UnavailableError, UnknownRunError
from towpath_chassis.errors import BrokerError
from towpath_chassis.jetstream import JetStream
from towpath_chassis.listening import listening
from towpath_chassis.service import connection
from towpath_schemas import subjects
from towpath_schemas.attribution import AttributionClaim
from towpath_schemas.audit import AuditEvent
from towpath_schemas.failure import Failure
from towpath_schemas.requests import RunAccepted
from towpath_schemas.runs import RunsAsked, RunsListed, RunStatus, RunView

DEFAULT_URL = "nats://127.0.0.1:4222"
_LOOK_EVERY_S = 2.0
_ENDED = frozenset[RunStatus]({"completed", "failed", "cancelled", "refused"})


class Client:
    """Start runs, wait for them, look at them, follow what they do.

    Use it as an async context manager: `async with Client("nats://127.0.0.1:4222") as client: ...`
    """

    def __init__(self, url: str = DEFAULT_URL, *, patience_s: float = 10.0) -> None:
        """Choose the platform.

        Args:
            url: Its broker.
            patience_s: Seconds to wait for a connection, and for each request to be taken.
        """
        self._url = url
        self._patience_s = patience_s
        self._open = AsyncExitStack()
        self._js: JetStream | None = None
        self._door: Door | None = None

    @classmethod
    def over(cls, js: JetStream, *, patience_s: float = 10.0) -> Self:
        """Make a client that uses a connection which somebody else opened, and leaves it open."""
        client = cls(patience_s=patience_s)
        client._js = js
        return client

    async def __aenter__(self) -> Self:
        try:
            if self._js is None:
                self._js = await self._connect()
            self._door = await self._open.enter_async_context(door(self._js))
        except BaseException:
            await self._open.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._js, self._door = None, None
        await self._open.aclose()

    async def _connect(self) -> JetStream:
        try:
            async with asyncio.timeout(self._patience_s):
                _, js = await self._open.enter_async_context(connection(self._url, name="towpath-client"))
        except (OSError, TimeoutError) as error:
            raise UnavailableError(
                f"no broker answers at {self._url}; start a platform with `towpath dev`, or name another broker"
            ) from error
        return js

    @property
    def _connected(self) -> JetStream:
        if self._js is None:
            raise RuntimeError("the client is not open; use `async with Client(...) as client`")
        return self._js

    async def start(
        self,
        component: str,
        input: object = None,  # noqa: A002 - the word of the request
        *,
        idempotency_key: str | None = None,
        tenant: str = "default",
        attribution: AttributionClaim | None = None,
    ) -> str:
        """Start a run and return its id; from now on it cannot be lost.

        Args:
            component: A workflow, agent or function by its name.
            input: The component's input: an object of its parameters, or the value of its only one.
            idempotency_key: The same key of the same tenant and component finds the same run.
            tenant: For whom the run works.
            attribution: Who is behind the request.

        Raises:
            RequestRefusedError: If the platform says no.
            UnavailableError: If nobody says anything.
            NotSerialisableError: If JSON cannot carry `input`.
        """
        accepted = await self.submit(
            component, input, idempotency_key=idempotency_key, tenant=tenant, attribution=attribution
        )
        return accepted.run_id

    async def submit(
        self,
        component: str,
        input: object = None,  # noqa: A002 - the word of the request
        *,
        idempotency_key: str | None = None,
        tenant: str = "default",
        attribution: AttributionClaim | None = None,
        traceparent: str | None = None,
    ) -> RunAccepted:
        """Do what `start` does, below a trace of the caller's, and tell also whether the run existed before."""
        if self._door is None:
            raise RuntimeError("the client is not open; use `async with Client(...) as client`")
        return await self._door.start(
            component,
            input,
            idempotency_key=idempotency_key,
            tenant=tenant,
            attribution=attribution,
            traceparent=traceparent,
            within_s=self._patience_s,
        )

    async def status(self, run_id: str) -> RunView | None:
        """Show a run as its journal has it now; None where there is no such run.

        Raises:
            UnavailableError: If the broker does not answer.
        """
        return await view(self._connected, run_id)

    async def result(self, run_id: str, timeout_s: float | None = None) -> Any:
        """Wait for the end of a run and return its result.

        Raises:
            ComponentError: If the run failed or was cancelled; it carries the reason.
            UnknownRunError: If there is no such run.
            TimeoutError: If it has not ended within `timeout_s` seconds; it goes on.
        """
        ended = await self.ended(run_id, timeout_s)
        if ended.status == "completed":
            return ended.result
        message = f"run {run_id} of {ended.component!r} was {ended.status}"
        raise ComponentError(ended.failure or Failure(code="cancelled", message=message))

    async def ended(self, run_id: str, timeout_s: float | None = None) -> RunView:
        """Wait for the end of a run, whichever it is.

        Raises:
            UnknownRunError: If there is no such run.
            TimeoutError: If it has not ended within `timeout_s` seconds; it goes on.
        """
        if subjects.token(run_id) != run_id:
            raise UnknownRunError(run_id)  # no run has such an id, and no subject could name it
        told = asyncio.Event()
        try:
            async with (
                asyncio.timeout(timeout_s),
                listening(self._connected, subjects.output(run_id), lambda _subject, _body: told.set()),
            ):
                return await self._ended(run_id, told)
        except TimeoutError:
            raise TimeoutError(f"run {run_id} has not ended within {timeout_s:g} s") from None

    async def _ended(self, run_id: str, told: asyncio.Event) -> RunView:
        """Look whenever the run's end may have been told, and now and then in case that was missed."""
        while True:
            told.clear()
            run = await self._seen(run_id)
            if run is not None and run.status in _ENDED:
                return run
            await _stirred(told, _LOOK_EVERY_S)

    async def _seen(self, run_id: str) -> RunView | None:
        try:
            run = await self.status(run_id)
        except UnavailableError:
            return None
        if run is None:
            raise UnknownRunError(run_id)
        return run

    async def run(
        self,
        component: str,
        input: object = None,  # noqa: A002 - the word of the request
        *,
        timeout_s: float | None = None,
        idempotency_key: str | None = None,
        tenant: str = "default",
        attribution: AttributionClaim | None = None,
    ) -> Any:
        """Start a run, wait for its end, return its result; see `start` and `result` for what is raised."""
        run_id = await self.start(
            component, input, idempotency_key=idempotency_key, tenant=tenant, attribution=attribution
        )
        return await self.result(run_id, timeout_s)

    async def runs(
        self,
        *,
        component: str | None = None,
        status: RunStatus | None = None,
        tenant: str | None = None,
        limit: int = 50,
    ) -> tuple[RunView, ...]:
        """List runs, newest first, without their results; the list may be a moment behind.

        Raises:
            UnavailableError: If no entity-store answers.
        """
        asked = RunsAsked(component=component, status=status, tenant=tenant, limit=limit)
        try:
            answer = await self._connected.request(subjects.runs_index("list"), asked.to_body())
            return RunsListed.from_body(answer.data).runs
        except (BrokerError, ValidationError) as error:
            raise UnavailableError(
                "no entity-store answered, which keeps the list of runs; see that one runs"
            ) from error

    def watch(self, run_id: str) -> AsyncGenerator[AuditEvent]:
        """Yield what a run does, from its first audit event to its last; iterating may raise `UnknownRunError`."""
        return events_of_run(self._connected, run_id)

    def audit(
        self,
        *,
        tenant: str | None = None,
        agent: str | None = None,
        kind: str | None = None,
        since: datetime | None = None,
    ) -> AsyncGenerator[AuditEvent]:
        """Yield audit events as they are told, for ever; from now on, or from those told since `since`."""
        return events(self._connected, tenant=tenant, agent=agent, kind=kind, since=since)


async def _stirred(event: asyncio.Event, within_s: float) -> None:
    waiting = asyncio.ensure_future(event.wait())
    await asyncio.wait({waiting}, timeout=within_s)
    waiting.cancel()
