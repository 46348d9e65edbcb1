"""The world outside, as the simulated user code changes it: which effect began when, and who made it."""

import asyncio
from contextvars import ContextVar
from typing import NamedTuple

from towpath_testkit.virtual_time import process


class Effect(NamedTuple):
    """Something that user code did.

    Attributes:
        of: What it was: the id of a call, or a step's run and name.
        by: The process that did it.
        at_s: When it began, in virtual seconds.
    """

    of: str
    by: str
    at_s: float


_made: ContextVar[list[Effect]] = ContextVar("effects")


def gather_effects() -> list[Effect]:
    """Begin to write down what the code that is started from here does; the list grows as it does."""
    made: list[Effect] = []
    _made.set(made)
    return made


def effect(of: str) -> None:
    """Change the world."""
    _made.get().append(Effect(of, process.get(), asyncio.get_running_loop().time()))


def step_effect(run_id: str, name: str) -> str:
    """Name the effect of a step; a step returns its name, which is one of a kind in its run."""
    return f"{run_id} {name}"
