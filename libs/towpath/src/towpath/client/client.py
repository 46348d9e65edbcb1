"""The client: one connection to a platform, for programs that are no part of it."""

from collections.abc import AsyncGenerator
from datetime import datetime
from functools import partial

from towpath.client.dead_letters import DeadLetters
from towpath.client.deciding import Deciding
from towpath.client.entities import Entities
from towpath.client.following import events, events_of_run
from towpath.client.lists import Lists
from towpath.client.memory import ClientMemory, Reached
from towpath.client.output import Chunk, chunks_of_run
from towpath.client.rebuilding import Rebuilding
from towpath.client.results import Results
from towpath.client.scheduling import Scheduling
from towpath.client.sessions import ClientSession
from towpath.client.steering import Steering
from towpath.client.streams import Streams
from towpath.memory.services import MemoryService
from towpath.runtime.asking import NatsQuestions
from towpath_schemas.attribution import Attribution, AttributionClaim
from towpath_schemas.audit import AuditEvent


class Client(Results, Lists, Steering, Deciding, Scheduling, Entities, Rebuilding):
    """Start runs, now or by schedules, wait for them, find them, tell them what to do, decide what they ask, follow them; call entities.

    Use it as an async context manager: `async with Client("nats://127.0.0.1:4222") as client: ...`
    """

    @property
    def dead(self) -> DeadLetters:
        """The dead letters: what could not be handled."""
        return DeadLetters(self._connected, self._opened, patience_s=self._patience_s)

    @property
    def streams(self) -> Streams:
        """The broker's streams."""
        return Streams(self._connected)

    def session(
        self,
        id: str,  # noqa: A002 - as in `Session`
        app_name: str | None = None,
        user_id: str | None = None,
        *,
        tenant: str = "default",
        attribution: AttributionClaim | None = None,
    ) -> ClientSession:
        """Name a session of the platform's: `await client.session("chat").history()`.

        Args:
            id: What it is known by.
            app_name: Its app, for state of scope `app`.
            user_id: Its user, for state of scope `user`.
            tenant: Whose session it is.
            attribution: Who is behind what is done to it.
        """
        reach = partial(self.entity, tenant=tenant, attribution=attribution)
        return ClientSession(reach, id, app_name=app_name, user_id=user_id)

    def memory(
        self,
        service: MemoryService | None = None,
        scope: str = "user",
        *,
        app_name: str | None = None,
        user_id: str | None = None,
        tenant: str = "default",
        attribution: AttributionClaim | None = None,
        within_s: float = 60.0,
    ) -> ClientMemory:
        """Name memories of the platform's: `await client.memory(user_id="ann").erase()`.

        Args:
            service: By what they are found; see `Memory`.
            scope: See `Memory`.
            app_name: Their app.
            user_id: Whose they are; those of nobody, if it is not given here or in a call.
            tenant: Whose platform it is.
            attribution: Who is behind what is done to them; with a user, only that user's are within reach.
            within_s: Seconds to wait for an answer.
        """
        reached = Reached(
            Attribution.vouched(tenant, attribution),
            partial(self.entity, tenant=tenant, attribution=attribution),
            NatsQuestions(self._connected),
            within_s,
        )
        return ClientMemory(reached, service=service, scope=scope, app_name=app_name, user_id=user_id)

    def stream(self, run_id: str, *, since: int = 0) -> AsyncGenerator[Chunk]:
        """Yield what a run streams while it does, until the run has ended: what its functions yield, its agents' events.

        Events of a run that is an agent, and of `agent.stream()` in a run, come each once, whoever was killed meanwhile;
        what a model says comes in pieces before.
        Chunks are kept for ten minutes, in the broker's memory; the result of the run is kept for good. Where the
        broker was started anew during the run, its positions mean nothing: all there are come again.

        Args:
            run_id: The run.
            since: The `position` of the last chunk that was got before; 0 for all.

        Raises (while iterating):
            UnknownRunError: If there is no such run.
            ComponentError: If the run did not end well: what was streamed is not all.
            UnavailableError: If the broker does not answer.
        """
        return chunks_of_run(self._connected, run_id, since=since)

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
