"""How the command speaks: results on stdout, everything else on stderr, trouble in one sentence."""

import asyncio
import sys
from collections.abc import Coroutine, Generator
from contextlib import contextmanager
from typing import Any, NoReturn

import typer
from pydantic import ValidationError
from rich.console import Console

from towpath.errors import TowpathError
from towpath_chassis.logs import configure_logs
from towpath_chassis.settings import ServiceSettings, complaints
from towpath_cli.embedded import BinaryMissingError, ServerStartError, StoreInUseError

out = Console(soft_wrap=True)
err = Console(stderr=True, soft_wrap=True)

_INTERRUPTED = 130


def fail(sentence: str) -> NoReturn:
    """End the command with what is wrong and what to do about it."""
    print(f"towpath: {sentence}", file=sys.stderr)  # noqa: T201 - a terminal's colours and widths do not belong here
    raise typer.Exit(1)


@contextmanager
def spoken() -> Generator[None]:
    """Tell foreseeable trouble in a sentence instead of a traceback."""
    try:
        yield
    except ValidationError as error:
        fail("; ".join(complaints(error)))
    except (TowpathError, ServerStartError, BinaryMissingError, StoreInUseError, TimeoutError) as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.strerror or error}" + (f": {error.filename}" if error.filename else ""))


def carry_out(work: Coroutine[Any, Any, None]) -> None:
    """Run a command to its end; Ctrl-C ends it without a word."""
    with spoken():
        configure_logs(ServiceSettings(log_level="WARNING", log_format="console"), service="cli")
        try:
            asyncio.run(work)
        except KeyboardInterrupt:
            raise typer.Exit(_INTERRUPTED) from None
