"""Looks at runs through a client, until they are as they should be."""

from typing import Any

from towpath import Client
from towpath_schemas.approvals import ApprovalView
from towpath_schemas.audit import AuditEvent
from towpath_schemas.runs import RunStatus, RunView
from towpath_testkit.settled import until


async def names(client: Client, **asked: Any) -> list[str]:
    """List the ids of runs."""
    return [run.run_id async for run in client.list(**asked)]


async def until_listed(client: Client, run_ids: list[str], **asked: Any) -> None:
    """Wait until exactly these runs are listed."""

    async def look() -> list[str]:
        return await names(client, **asked)

    await until(look, lambda seen: seen == run_ids)


async def until_status(client: Client, run_id: str, status: RunStatus) -> RunView:
    """Wait until a run has a status, and return what is shown of it."""

    async def look() -> RunView | None:
        return await client.status(run_id)

    seen = await until(look, lambda run: run is not None and run.status == status)
    assert seen is not None
    return seen


async def until_asked(client: Client, **asked: Any) -> ApprovalView:
    """Wait until one approval is asked for, and return it."""

    async def look() -> list[ApprovalView]:
        return [one async for one in client.approvals(**asked)]

    return (await until(look, lambda seen: len(seen) == 1))[0]


async def audited(client: Client, run_id: str) -> list[AuditEvent]:
    """Return all audit events of a run that has ended."""
    return [event async for event in client.watch(run_id)]


async def done(client: Client, run_id: str) -> list[tuple[str, str, str]]:
    """List what a run that has ended did: kind, target and action of each audit event."""
    return [(event.kind, event.target, event.action) for event in await audited(client, run_id)]
