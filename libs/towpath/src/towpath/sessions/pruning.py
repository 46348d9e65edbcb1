"""What each strategy takes out of a history: whole exchanges with tools, never a call without its result."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from towpath.sessions.events import SessionMessage


class Group(NamedTuple):
    """Messages that only make sense together: a call of tools and the results, or one message alone.

    Attributes:
        messages: In their order.
        is_open: Whether a call among them still waits for its result: then it is not taken out.
    """

    messages: tuple[SessionMessage, ...]
    is_open: bool = False

    @property
    def numbers(self) -> list[int]:
        """Their numbers."""
        return [message.number for message in self.messages]


def groups_of(messages: Iterable[SessionMessage]) -> list[Group]:
    """Bring each tool's result together with its call, wherever between others it came."""
    gathered: list[list[SessionMessage]] = []
    asking: dict[str, list[SessionMessage]] = {}
    waiting: dict[str, list[SessionMessage]] = {}
    for message in messages:
        group = asking.get(message.tool_call_id or "")
        if group is None:
            gathered.append(group := list[SessionMessage]())
        group.append(message)
        waiting.pop(message.tool_call_id or "", None)
        for call in message.tool_calls:
            asking[call.id] = waiting[call.id] = group
    still_open = {id(group) for group in waiting.values()}
    return [Group(tuple(group), id(group) in still_open) for group in gathered]


def older_than(messages: Sequence[SessionMessage], count: int) -> list[SessionMessage]:
    """Return what is not among the newest `count`: these are fewer where a group would be split, but at least one group."""
    groups = groups_of(messages)
    place = {message.number: at for at, message in enumerate(messages)}
    newest_first = sorted(groups, key=lambda group: place[group.messages[-1].number], reverse=True)
    return _left_out(messages, [*_fitting(newest_first, count), *_open(groups)])


def outside_window(messages: Sequence[SessionMessage], count: int) -> list[SessionMessage]:
    """Return what is in none of the newest whole turns that fit in `count` messages; system messages stay.

    A turn begins with a message of the user's.
    """
    groups = groups_of(messages)
    turns = [_joined(turn) for turn in _turns(group for group in groups if not _is_system(group))]
    kept = _fitting(turns[::-1], count)
    return _left_out(messages, [*kept, *_open(groups), *filter(_is_system, groups)])


def unimportant(messages: Sequence[SessionMessage], important: Iterable[int]) -> list[SessionMessage]:
    """Return the groups of which no message is important; the newest turn always is."""
    chosen, groups = set(important), groups_of(messages)
    newest = list(_turns(groups))[-1:]
    kept = [group for group in groups if chosen.intersection(group.numbers)]
    return _left_out(messages, [*kept, *_open(groups), *(group for turn in newest for group in turn)])


def closed(messages: Sequence[SessionMessage]) -> list[SessionMessage]:
    """Return all but calls that still wait for their results."""
    return _left_out(messages, _open(groups_of(messages)))


def _fitting(newest_first: Iterable[Group], count: int) -> list[Group]:
    """Take groups as long as they fit in `count` messages, and the first in any case."""
    taken: list[Group] = []
    for group in newest_first:
        count -= len(group.messages)
        if taken and count < 0:
            break
        taken.append(group)
    return taken


def _turns(groups: Iterable[Group]) -> list[list[Group]]:
    turns: list[list[Group]] = []
    for group in groups:
        if group.messages[0].role == "user" or not turns:
            turns.append([])
        turns[-1].append(group)
    return turns


def _joined(groups: Iterable[Group]) -> Group:
    return Group(tuple(message for group in groups for message in group.messages))


def _open(groups: Iterable[Group]) -> list[Group]:
    return [group for group in groups if group.is_open]


def _is_system(group: Group) -> bool:
    return group.messages[0].role == "system"


def _left_out(messages: Iterable[SessionMessage], kept: Iterable[Group]) -> list[SessionMessage]:
    numbers = {number for group in kept for number in group.numbers}
    return [message for message in messages if message.number not in numbers]
