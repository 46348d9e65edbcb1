"""The `towpath` command."""

import typer

from towpath_cli.audit import audit, tail
from towpath_cli.dev import dev
from towpath_cli.runs import run, runs

app = typer.Typer(
    name="towpath",
    help="Durable agents in plain Python: run a platform on this machine, and look into any other.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(dev)
app.command()(run)
app.command()(runs)
app.add_typer(tail, name="tail")
app.add_typer(audit, name="audit")


def main() -> None:
    """Be the command."""
    app()
