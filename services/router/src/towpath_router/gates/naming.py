"""Which gates a run passes, in which order: they follow from its tenant, component, limits and input."""

import json
from collections.abc import Iterable
from typing import Any, cast

from towpath_schemas.identity import derived_id
from towpath_schemas.inputs import ParameterNames, read_input, read_value
from towpath_schemas.limits import ConcurrencyLimit, GatePassed, Limit, pool_of

_ORDER = ("debounce", "singleton", "rate", "concurrency")


def gates_of(
    tenant: str, component: str, limits: Iterable[Limit], given: Any, names: ParameterNames | None = None
) -> tuple[GatePassed, ...]:
    """List the gates of a run whose input is `given`, read by the `names` of its parameters; the first one first.

    The order is the same for all components, pools last: runs that hold places in some while they wait for others
    cannot wait for each other.
    """
    arguments = arguments_of(given, names)
    gates = [
        GatePassed(gate_id=gate_id(tenant, component, limit, arguments), limit=limit) for limit in limits
    ]
    return tuple(sorted(gates, key=_place))


def gate_id(tenant: str, component: str, limit: Limit, given: Any) -> str:
    """Derive the id of a gate; how much its limit allows does not matter for it."""
    pool = pool_of(limit)
    whose = ("component", component) if pool is None else ("pool", pool)
    return derived_id("gate", tenant, *whose, limit.kind, limit.key or "", value_at(given, limit.key))


def arguments_of(given: Any, names: ParameterNames | None) -> Any:
    """Read an input as the object of arguments that keys are paths into, whichever way it was given.

    A key may leave out the name of the only parameter. What no arguments can be made of stays as it is: its run fails.

    >>> arguments_of(["ada", 3], ParameterNames(by_place=("who", "count")))
    {'who': 'ada', 'count': 3}
    """
    if names is None:
        return read_value(given)
    try:
        named = read_input(given, names).named
    except ValueError:
        return given
    value = named.get(names.only) if names.only else None
    return {**cast("dict[str, Any]", value), **named} if isinstance(value, dict) else named


def value_at(given: Any, path: str | None) -> str:
    """Write as JSON what an object of arguments has at a dotted path; what is not there is null.

    >>> value_at({"order": {"customer": "ada"}}, "order.customer"), value_at([], "order")
    ('"ada"', 'null')
    """
    found = given if path else None
    for name in path.split(".") if path else ():
        found = cast("dict[str, Any]", found).get(name) if isinstance(found, dict) else None
    return json.dumps(found, sort_keys=True, separators=(",", ":"))


def _place(gate: GatePassed) -> tuple[int, bool, str]:
    limit = gate.limit
    return (
        _ORDER.index(limit.kind),
        isinstance(limit, ConcurrencyLimit) and limit.pool is not None,
        gate.gate_id,
    )
