"""Object keys: what a run holds, or waits for in a line, so that no other run works on the same object.

Each key is an entity of this type, which keeps the line. Whoever leaves it gives the turn to the next by a signal.
"""

from collections.abc import Container, Iterable

from towpath_schemas.journal import CallIntended
from towpath_schemas.shape import Shape

OBJECT_KEY = "towpath.object-key"
"""The type of the entities that keep the lines."""

JOIN, LEAVE = "join", "leave"
"""Their methods; both are given the `holder`."""


class PlaceInLine(Shape):
    """A place in the line of an object key.

    Attributes:
        key: Key of the entity that keeps the line.
        holder: Whose place it is; one run may have several.
        service: The service whose runners have the entity's code.
    """

    key: str
    holder: str
    service: str


def turn_signal(holder: str) -> str:
    """Name the signal that says to a holder that it is its turn."""
    return f"{OBJECT_KEY}/{holder}"


def places_in_line(
    service: str, begun: Iterable[CallIntended], ended: Container[str]
) -> tuple[PlaceInLine, ...]:
    """List the places that a run has taken and not left.

    Args:
        service: The run's own.
        begun: The calls of its journal, in order.
        ended: The keys of those that have ended.
    """
    places: dict[str, PlaceInLine] = {}
    for call in begun:
        entity_type, _, method = call.target.rpartition(".")
        if call.act != "entity" or entity_type != OBJECT_KEY or not call.input:
            continue
        holder = call.input["arguments"]["holder"]
        if method == JOIN:
            of = call.service or service
            places[holder] = PlaceInLine(key=call.input["key"], holder=holder, service=of)
        elif call.key in ended:
            places.pop(holder, None)
    return tuple(places.values())
