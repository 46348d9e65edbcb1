"""`towpath approvals`: look at what waits for a person, and decide it."""

from typing import Annotated, Any, Literal

import typer

from towpath.client import Client
from towpath_cli.lines import approval_text, approvals_table
from towpath_cli.options import DEFAULT_URL, AsJson, Limit, Tenant, Url, User
from towpath_cli.speech import carry_out, err, fail, out
from towpath_schemas.approvals import ApprovalView, read_approval_id

Approval = Annotated[str, typer.Argument(metavar="APPROVAL", help="Its id, as the list shows it.")]
Comment = Annotated[str | None, typer.Option(help="What the run is told about it.")]
As = Annotated[str | None, typer.Option("--role", help="As what you decide; it is audited.")]

approvals = typer.Typer(help="What waits for a person: look at it, decide it.", no_args_is_help=True)


@approvals.command("list")
def list_approvals(
    *,
    tenant: Tenant = None,
    role: Annotated[str | None, typer.Option(help="Only those that this role may decide.")] = None,
    run: Annotated[str | None, typer.Option(help="Only of this run.")] = None,
    limit: Limit = 50,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
) -> None:
    """List approvals that wait for somebody, newest first."""
    carry_out(_list(url, limit, as_json=as_json, tenant=tenant, role=role, run_id=run))


@approvals.command("show")
def show_approval(approval: Approval, *, as_json: AsJson = False, url: Url = DEFAULT_URL) -> None:
    """Show one approval with what it is about."""
    carry_out(_show(url, approval, as_json=as_json))


@approvals.command("approve")
def approve(
    approval: Approval, *, comment: Comment = None, role: As = None, user: User = None, url: Url = DEFAULT_URL
) -> None:
    """Say yes."""
    carry_out(_decide(url, approval, "approved", comment, approver=user, role=role))


@approvals.command("reject")
def reject(
    approval: Approval, *, comment: Comment = None, role: As = None, user: User = None, url: Url = DEFAULT_URL
) -> None:
    """Say no."""
    carry_out(_decide(url, approval, "rejected", comment, approver=user, role=role))


async def _list(url: str, limit: int, *, as_json: bool, **asked: Any) -> None:
    found: list[ApprovalView] = []
    async with Client(url) as client:
        async for approval in client.approvals(**asked):
            found.append(approval)
            if len(found) == limit:
                break
    if as_json:
        _print_as_json(*found)
    elif found:
        out.print(approvals_table(found))
    else:
        err.print("nothing waits for a decision")


async def _show(url: str, approval_id: str, *, as_json: bool) -> None:
    try:
        run_id, _ = read_approval_id(approval_id)
    except ValueError as error:
        fail(str(error))
    async with Client(url) as client:
        waiting = [one async for one in client.approvals(run_id=run_id) if one.approval_id == approval_id]
    if not waiting:
        fail(f"approval {approval_id} does not wait for a decision; see towpath approvals list")
    if as_json:
        _print_as_json(*waiting)
    else:
        out.print(approval_text(waiting[0]))


def _print_as_json(*found: ApprovalView) -> None:
    for approval in found:
        typer.echo(approval.to_body())


async def _decide(
    url: str,
    approval_id: str,
    decision: Literal["approved", "rejected"],
    comment: str | None,
    **by: str | None,
) -> None:
    async with Client(url) as client:
        await client.decide(approval_id, decision, comment, **by)
    err.print(f"{approval_id} is {decision}")
