"""Looking at approvals that wait for somebody, and deciding them."""

from collections.abc import AsyncGenerator
from typing import Literal

from towpath.asking import asking
from towpath.client.connection import Connection
from towpath.client.index import pages
from towpath.errors import InvalidInputError
from towpath_schemas.approvals import ApprovalsAsked, ApprovalsListed, ApprovalView, read_approval_id
from towpath_schemas.attribution import AttributionClaim
from towpath_schemas.requests import DecisionRequested

_APPROVALS = "approvals"


class Deciding(Connection):
    """Shows approvals, and decides them."""

    async def approvals(
        self, *, tenant: str | None = None, role: str | None = None, run_id: str | None = None
    ) -> AsyncGenerator[ApprovalView]:
        """Yield the approvals that wait for somebody, newest first; those told may be a moment behind.

        Args:
            tenant: Only of this tenant.
            role: Only those that somebody with this role may decide.
            run_id: Only of this run.

        Raises (while iterating):
            UnavailableError: If no entity-store answers.
        """
        asked = asking(ApprovalsAsked, tenant=tenant, role=role, run_id=run_id)
        async for listed in pages(self._connected, _APPROVALS, asked, ApprovalsListed):
            for approval in listed.approvals:
                yield approval

    async def decide(
        self,
        approval: ApprovalView | str,
        decision: Literal["approved", "rejected"],
        comment: str | None = None,
        *,
        approver: str | None = None,
        role: str | None = None,
        content_sha256: str | None = None,
        tenant: str | None = None,
    ) -> None:
        """Decide an approval; of several decisions the first counts.

        Args:
            approval: The approval as it was shown, so that a decision about something else is refused; or its id.
            decision: What is decided.
            comment: What the run is told about it.
            approver: Who decides; it is audited.
            role: As what.
            content_sha256: With an id, digest of what was shown; not compared if not given.
            tenant: Whose the run is; looked up if not given.

        Raises:
            RequestRefusedError: If whoever decides lacks the role, it is decided or expired, or is about something else.
            UnknownRunError: If there is no such run.
            InvalidInputError: If `approval` is no id, or `decision` is none.
            UnavailableError: If nobody says anything.
        """
        if isinstance(approval, ApprovalView):
            approval, content_sha256 = approval.approval_id, approval.asked.content_sha256
        asked = asking(
            DecisionRequested,
            decision=decision,
            comment=comment,
            content_sha256=content_sha256,
            attribution=asking(AttributionClaim, user_id=approver, user_role=role),
        )
        whose = await self._tenant(_run_of(approval), tenant)
        await self._opened.ask("decide", approval, asked, tenant=whose, within_s=self._patience_s)


def _run_of(approval: str) -> str:
    try:
        return read_approval_id(approval)[0]
    except ValueError as error:
        raise InvalidInputError(str(error)) from error
