"""Tells an entity store of runs as the audit-sink would, and asks it about them."""

from typing import Any

from towpath_schemas import subjects
from towpath_schemas.approvals import (
    ApprovalAsked,
    ApprovalsAsked,
    ApprovalsListed,
    ApprovalView,
    approval_id,
    content_sha256,
)
from towpath_schemas.attribution import Attribution
from towpath_schemas.audit import AuditEvent
from towpath_schemas.journal import CallIntended
from towpath_schemas.runs import RunsAsked, RunsListed, RunStatus, RunView
from towpath_testkit.entity_stage import EntityStage, eventually

ACME = Attribution(tenant="acme")


async def tell(
    stage: EntityStage, run_id: str, action: str, sequence: int, *, kind: str = "run", **changes: Any
) -> None:
    """Tell what became of a run, at `sequence` of the journal."""
    known: dict[str, Any] = {
        "at": float(sequence),
        "run_id": run_id,
        "kind": kind,
        "action": action,
        "target": "greet",
        "attribution": ACME,
        "correlation_id": "c",
        "source_stream": "JOURNAL",
        "source_sequence": sequence,
    }
    event = AuditEvent(**{**known, **changes})
    await stage.js.publish(subjects.audit(event.attribution.tenant, None, kind, action), event.to_body())


async def tell_signal_wait(
    stage: EntityStage, run_id: str, action: str, sequence: int, **changes: Any
) -> None:
    """Tell of a wait of a run: for the signal `go`, unless said otherwise."""
    await tell(
        stage, run_id, action, sequence, **{"kind": "signal", "target": "go", "key": "signal:go#0", **changes}
    )


async def asked(stage: EntityStage, **question: Any) -> RunsListed:
    """Ask for a page of the list of runs."""
    body = RunsAsked(**question).to_body()
    answer = await stage.js.request(subjects.runs_index("list"), body, within_s=10)
    return RunsListed.from_body(answer.data)


async def listed(stage: EntityStage, **question: Any) -> list[RunView]:
    """List runs."""
    return list((await asked(stage, **question)).runs)


async def names(stage: EntityStage, **question: Any) -> list[str]:
    """List the ids of runs."""
    return [run.run_id for run in await listed(stage, **question)]


async def until_listed(stage: EntityStage, wanted: list[str], **question: Any) -> None:
    """Wait until exactly these runs are listed."""

    async def are_listed() -> bool:
        return await names(stage, **question) == wanted

    await eventually(are_listed)


async def _status_of(stage: EntityStage, run_id: str) -> RunStatus | None:
    """Look up the status of a run."""
    found = await listed(stage, run_id=run_id)
    return found[0].status if found else None


async def until_status(stage: EntityStage, run_id: str, wanted: RunStatus) -> None:
    """Wait until a run has a status."""

    async def is_so() -> bool:
        return await _status_of(stage, run_id) == wanted

    await eventually(is_so)


async def ask_for_approval(
    stage: EntityStage, run_id: str, number: int, *, roles: tuple[str, ...] = (), **changes: Any
) -> str:
    """Write the intent of an approval, and tell of it; return the approval's id."""
    shown = ApprovalAsked(payload={"to": run_id}, roles=roles, content_sha256=content_sha256({"to": run_id}))
    key = f"approval:deploy#{number}"
    intent = CallIntended(
        at=float(number), key=key, act="approval", target="deploy", input=shown.model_dump(mode="json")
    )
    intent = intent.model_copy(update=changes)
    stored = await stage.js.publish(subjects.journal_entry(run_id, number), intent.to_body())
    await tell_approval(stage, run_id, "intended", stored.sequence, number, at=intent.at)
    return approval_id(run_id, number)


async def tell_approval(
    stage: EntityStage, run_id: str, action: str, sequence: int, number: int, **changes: Any
) -> None:
    """Tell what became of an approval."""
    of_it = {"kind": "approval", "target": "deploy", "key": f"approval:deploy#{number}"}
    await tell(stage, run_id, action, sequence, **of_it, **changes)


async def approvals(stage: EntityStage, **question: Any) -> list[ApprovalView]:
    """List the approvals that wait."""
    body = ApprovalsAsked(**question).to_body()
    answer = await stage.js.request(subjects.runs_index("approvals"), body, within_s=10)
    return list(ApprovalsListed.from_body(answer.data).approvals)


async def until_approvals(stage: EntityStage, wanted: list[str], **question: Any) -> None:
    """Wait until exactly these approvals wait."""

    async def are_listed() -> bool:
        return [one.approval_id for one in await approvals(stage, **question)] == wanted

    await eventually(are_listed)
