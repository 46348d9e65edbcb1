"""What a person is asked to decide, and how the decision is bound to what was shown."""

import hashlib
import json
from typing import Any

from towpath_schemas.attribution import Attribution
from towpath_schemas.paging import PageAsked, PageTold
from towpath_schemas.shape import Shape


class ApprovalAsked(Shape):
    """The input of an approval's intent: what is to be decided, and by whom.

    Attributes:
        roles: Who may decide: anybody with one of them; anybody at all if there are none.
        content_sha256: Digest of the payload; a decision names it, so that what was shown is what is approved.
    """

    payload: Any = None
    roles: tuple[str, ...] = ()
    content_sha256: str


class ApprovalView(Shape):
    """An approval that waits for somebody; times are seconds since 1970."""

    approval_id: str
    run_id: str
    component: str
    name: str
    asked: ApprovalAsked
    created_at: float
    expires_at: float | None = None
    attribution: Attribution


class ApprovalsAsked(PageAsked):
    """Which of the approvals that wait for somebody to list, newest first; what is None matches any.

    Attributes:
        tenant: Only those of this tenant's runs.
        role: Only those that somebody with this role may decide.
        run_id: Only those of this run.
    """

    tenant: str | None = None
    role: str | None = None
    run_id: str | None = None


class ApprovalsListed(PageTold):
    """A page of the approvals asked for."""

    approvals: tuple[ApprovalView, ...]


def content_sha256(payload: Any) -> str:
    """Digest a payload (JSON values), whatever the order of its fields."""
    text = json.dumps(payload, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def approval_id(run_id: str, number: int) -> str:
    """Name an approval: the run, and the place of its intent in the run's journal."""
    return f"{run_id}-{number}"


def read_approval_id(approval: str) -> tuple[str, int]:
    """Read the run and the place of the intent from an approval's id.

    Raises:
        ValueError: If it is no such id.
    """
    run_id, _, number = approval.rpartition("-")
    if not run_id or not number.isdigit():
        raise ValueError(f"{approval!r} is no approval; ids look like <run>-<number>")
    return run_id, int(number)
