"""Looking at runs, and for them."""

from collections.abc import AsyncGenerator, Collection
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from towpath.asking import asking
from towpath.client.connection import Connection
from towpath.client.index import page, pages
from towpath.client.views import entry_0, view
from towpath.errors import ConfigurationError, UnavailableError, UnknownRunError
from towpath_chassis.errors import BrokerError
from towpath_chassis.journal import Entry, read_journal
from towpath_schemas.runs import RunsAsked, RunsListed, RunStatus, RunView

_RUNS = "list"
_PAGE = 200
_PATIENCE_S = 0.5


class Lists(Connection):
    """Shows runs, and finds them."""

    async def status(self, run_id: str) -> RunView | None:
        """Show a run as its journal has it now; None where there is no such run.

        Of one that goes on, what it waits for and whether it is paused says the index, which may be a moment behind.

        Raises:
            UnavailableError: If the broker does not answer.
        """
        run = await view(self._connected, run_id)
        return run if run is None or run.finished_at is not None else await self._as_indexed(run)

    async def journal(self, run_id: str) -> list[Entry]:
        """Read all that was recorded of a run: each record with its number, in the order in which they were written.

        Raises:
            UnknownRunError: If there is no such run.
            ConfigurationError: If a newer version wrote a record that this one does not know.
            UnavailableError: If the broker does not answer.
        """
        if await entry_0(self._connected, run_id) is None:
            raise UnknownRunError(run_id)
        try:
            return await read_journal(self._connected, run_id)
        except ValidationError as error:
            raise ConfigurationError(
                f"the journal of run {run_id!r} has a record that this version does not know; upgrade towpath"
            ) from error
        except BrokerError as error:
            raise UnavailableError(f"the journal cannot be read now: {error}") from error

    async def get_workflow_status(self, workflow_id: str) -> dict[str, Any]:
        """Show a run as a dictionary: the fields of a `RunView`, the id as `workflow_id`, the status as `state` as well.

        Raises:
            UnknownRunError: If there is no such run.
            UnavailableError: If the broker does not answer.
        """
        run = await self.status(workflow_id)
        if run is None:
            raise UnknownRunError(workflow_id)
        return {**run.model_dump(mode="json"), "workflow_id": run.run_id, "state": run.status}

    get_status = get_workflow_status

    async def list(
        self,
        *,
        component: str | None = None,
        status: RunStatus | Collection[RunStatus] | None = None,
        tenant: str | None = None,
        user_id: str | None = None,
        user_role: str | None = None,
        agent: str | None = None,
        agent_id: str | None = None,
        session_id: str | None = None,
        workflow_id: str | None = None,
        parent: str | None = None,
        waiting_for_signal: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        limit: int | None = None,
    ) -> AsyncGenerator[RunView]:
        """Yield runs, newest first, without their results; those told may be a moment behind.

        What is None matches any.

        Args:
            component: Only of this component.
            status: Only of this status, or of one of several.
            tenant: Only of this tenant.
            user_id: Only for this user, as its start's attribution has it; so with the next five.
            user_role: Only for users of this role.
            agent: Only for this agent.
            agent_id: Only for the agent with this id.
            session_id: Only for this session.
            workflow_id: Only for this workflow.
            parent: Only those that this run has started.
            waiting_for_signal: Only those that wait for a signal of this name now.
            created_after: Only those that were made then or later.
            created_before: Only those that were made before.
            limit: How many at the most.

        Raises (while iterating):
            UnavailableError: If no entity-store answers.
            InvalidInputError: If an argument is not what it takes.
        """
        asked = asking(
            RunsAsked,
            component=component,
            status=status if status is None or isinstance(status, str) else tuple(status),
            tenant=tenant,
            user_id=user_id,
            user_role=user_role,
            agent=agent,
            agent_id=agent_id,
            session_id=session_id,
            workflow_id=workflow_id,
            parent=parent,
            waiting_for_signal=waiting_for_signal,
            created_after=created_after.timestamp() if created_after else None,
            created_before=created_before.timestamp() if created_before else None,
            limit=_PAGE if limit is None else min(limit, _PAGE),
        )
        told = 0
        async for listed in pages(self._connected, _RUNS, asked, RunsListed):
            for run in listed.runs:
                yield run
                told += 1
                if told == limit:
                    return

    async def _as_indexed(self, run: RunView) -> RunView:
        asked = RunsAsked(run_id=run.run_id)
        try:
            listed = await page(self._connected, _RUNS, asked, RunsListed, within_s=_PATIENCE_S)
        except UnavailableError:
            return run
        for known in listed.runs:
            status = "paused" if known.status == "paused" else run.status
            return run.model_copy(update={"status": status, "waiting_for": known.waiting_for})
        return run
