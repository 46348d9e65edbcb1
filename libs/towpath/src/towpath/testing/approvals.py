"""Approvals in a test: which are open, and who may decide them."""

from datetime import UTC, datetime
from typing import Literal, NamedTuple

from towpath.errors import RequestRefusedError
from towpath.testing.stored_run import StoredRun
from towpath_schemas import identity
from towpath_schemas.approvals import ApprovalAsked, ApprovalView, approval_id
from towpath_schemas.calls import Answered
from towpath_schemas.failure import Failure, FailureCode
from towpath_schemas.journal import CallIntended

Decision = Literal["approved", "rejected"]


class OpenApproval(NamedTuple):
    """An approval that a run waits for.

    Attributes:
        key: The place in the run that a decision settles.
        view: What people see of it.
    """

    key: str
    view: ApprovalView


def open_approvals(stored: StoredRun) -> list[OpenApproval]:
    """List the approvals that a run waits for, in their order."""
    if stored.finished is not None:
        return []
    history = stored.history
    begun = history.unsettled("approval")
    return [
        OpenApproval(intent.key, _view(stored, intent, history.intended_at(intent.key))) for intent in begun
    ]


def _view(stored: StoredRun, intent: CallIntended, number: int) -> ApprovalView:
    return ApprovalView(
        approval_id=approval_id(stored.run_id, number),
        run_id=stored.run_id,
        component=stored.started.component,
        name=intent.target,
        asked=ApprovalAsked.model_validate(intent.input),
        created_at=intent.at,
        expires_at=intent.until,
        attribution=stored.started.attribution,
    )


def check_decision(view: ApprovalView, *, role: str | None, content_sha256: str | None) -> None:
    """See that somebody may decide an open approval, as the router does.

    Raises:
        RequestRefusedError: If they lack the role, or have been shown something else.
    """
    roles = view.asked.roles
    if roles and role not in roles:
        raise _refused("forbidden", f"approval {view.name!r} is for {', '.join(roles)}; the role is {role!r}")
    if content_sha256 not in {None, view.asked.content_sha256}:
        raise _refused(
            "stale_approval",
            f"content_sha256 is not that of approval {view.name!r}: look at what it is about, and decide again",
        )


def decided(
    approval: OpenApproval, decision: Decision, *, by: str | None, at: float, comment: str | None
) -> Answered:
    """Write the answer that a decision is."""
    said = {
        "decision": decision,
        "approver": by,
        "at": datetime.fromtimestamp(at, UTC).isoformat(),
        "comment": comment,
    }
    answer_id = identity.answer_id(approval.view.approval_id)
    return Answered(answer_id=answer_id, run_id=approval.view.run_id, key=approval.key, result=said)


def no_such_approval(shown: str) -> RequestRefusedError:
    """Say that there is nothing to decide."""
    return _refused(
        "stale_approval",
        f"{shown} waits for no decision: it was decided, has expired, or was never asked for",
    )


def _refused(code: FailureCode, message: str) -> RequestRefusedError:
    return RequestRefusedError(Failure(code=code, message=message))
