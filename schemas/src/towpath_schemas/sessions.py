"""How sessions are kept by entities: the names of their values, and which of them a call needs.

A session has thousands of events, and most calls need none of them, so a turn of a session carries only those that it
reads. Everything else works without knowing this: it is about speed alone.
"""

from collections.abc import Collection
from typing import Any, cast

from towpath_schemas.entities import InvocationRequested

SESSION_TYPE = "towpath.Session"
STATE_TYPE = "towpath.SessionState"

HEAD = "head"
"""The value that says how many events there are, and which messages are in view."""
ROOM = (
    "let it forget what is old (retention={'auto_prune': 'keep_last_<n>'}), export and delete it, or go on in a session "
    "of another id"
)
"""What to do about a session that is full."""
_EVENT = "event:"
_EVENTLESS = frozenset({"head", "values", "prune", "change_state", "delete"})


def event_value(number: int) -> str:
    """Name the value that keeps an event."""
    return f"{_EVENT}{number}"


def needed(state: dict[str, Any], invocations: Collection[InvocationRequested]) -> dict[str, Any]:
    """Select what calls of one entity need of its state; of other entities than sessions, all of it."""
    events = [_events_read(state, invocation) for invocation in invocations]
    known = [names for names in events if names is not None]
    if len(known) < len(events):
        return state
    rest = {name: value for name, value in state.items() if not name.startswith(_EVENT)}
    return rest | {name: state[name] for names in known for name in names if name in state}


def _events_read(state: dict[str, Any], invocation: InvocationRequested) -> list[str] | None:
    """Tell which events a call reads; None where that is not known."""
    if invocation.entity_type != SESSION_TYPE:
        return None
    match invocation.method, invocation.arguments:
        case "events", {"numbers": [*numbers]}:
            return [event_value(number) for number in cast("list[int]", numbers)]
        case "append", {"about": said, "messages": _}:
            head: dict[str, Any] = state.get(HEAD, {})
            return _in_view(head) if _prunes_itself(said) or _prunes_itself(head.get("about")) else []
        case method, _ if method in _EVENTLESS:
            return []
        case _:
            return None


def _prunes_itself(about: Any) -> bool:
    match about:
        case {"retention": {"auto_prune": auto_prune}}:
            return bool(auto_prune)
        case _:
            return False


def _in_view(head: dict[str, Any]) -> list[str]:
    spans: list[tuple[int, int]] = head.get("spans", [])
    return [event_value(number) for start, end in spans for number in range(start, end)]
