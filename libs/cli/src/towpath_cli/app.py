"""The `towpath` command."""

import typer

from towpath_cli.approvals import approvals
from towpath_cli.audit import audit, tail
from towpath_cli.dead import dead
from towpath_cli.dev import dev
from towpath_cli.entities import entity
from towpath_cli.mcp import mcp
from towpath_cli.rebuild import rebuild
from towpath_cli.replay import replay
from towpath_cli.run import run
from towpath_cli.runs import runs
from towpath_cli.schedules import schedules
from towpath_cli.sessions import session
from towpath_cli.streams import stream

app = typer.Typer(
    name="towpath",
    help="Durable agents in plain Python: run a platform on this machine, and look into any other.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(dev)
app.command()(run)
app.command()(replay)
app.command()(rebuild)
app.command()(mcp)
app.add_typer(runs, name="runs")
app.add_typer(entity, name="entity")
app.add_typer(session, name="session")
app.add_typer(approvals, name="approvals")
app.add_typer(schedules, name="schedules")
app.add_typer(tail, name="tail")
app.add_typer(audit, name="audit")
app.add_typer(dead, name="dead")
app.add_typer(stream, name="stream")


def main() -> None:
    """Be the command."""
    app()
