"""How often an agent may call a model in one invocation, and what it may spend."""

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from towpath.agents.meters import Meter
from towpath.errors import ConfigurationError

MAX_ITERATIONS = 10
"""How often a run calls a model, unless the agent says otherwise; conversations are not bounded by themselves."""

_TURNS = "turns"


class Bounds(NamedTuple):
    """What bounds an invocation, and what of `limits` is about something else.

    Attributes:
        turns: How often a model may be called; None where nothing is said.
        meters: Who watches over what it spends: budgets, and the like.
        others: The other limits.
    """

    turns: int | None
    meters: tuple[Meter, ...]
    others: list[Any]


def bounds_of(max_iterations: int | None, limits: Any) -> Bounds:
    """Read `max_iterations` and `limits` of an agent; `{"turns": n}` among the limits is another way to say it.

    Raises:
        ConfigurationError: If a number is below 1, or a limit has a name that is not known.
    """
    each = (
        [*cast("list[Any]", limits)] if isinstance(limits, list | tuple) else [limits] * (limits is not None)
    )
    turns = [_turns(cast("Mapping[str, Any]", one)) for one in each if isinstance(one, Mapping)]
    said = [one for one in (max_iterations, *turns) if one is not None]
    if any(one < 1 for one in said):
        raise ConfigurationError(f"max_iterations is {min(said)}; an agent needs at least one")
    meters = tuple(one for one in each if isinstance(one, Meter))
    others = [one for one in each if not isinstance(one, Mapping | Meter)]
    return Bounds(min(said, default=None), meters, others)


def bounds_of_run(limits: Any) -> Bounds:
    """Read `limits` of one run.

    Raises:
        ConfigurationError: As `bounds_of`, or if one is about all runs of an agent.
    """
    bounds = bounds_of(None, limits)
    if bounds.others:
        raise ConfigurationError(
            f'limits of a run has {bounds.others[0]!r}; a run takes budgets and {{"turns": n}}, the rest is for Agent()'
        )
    return bounds


def _turns(limit: Mapping[str, Any]) -> int:
    turns = limit.get(_TURNS)
    if len(limit) != 1 or type(turns) is not int:
        raise ConfigurationError(f'limits has {dict(limit)!r}; a limit by name is {{"turns": n}}')
    return turns
