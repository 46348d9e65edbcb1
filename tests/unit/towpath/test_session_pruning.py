"""Pruning keeps the order, and never splits a call of tools from its results, whatever stands between them."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from hypothesis import given, strategies as st

from towpath import SessionMessage, ToolCall
from towpath.sessions import pruning
from towpath.sessions.view import View

AT = datetime(2025, 1, 1, tzinfo=UTC)


@st.composite
def histories(draw: st.DrawFn) -> list[SessionMessage]:
    """Messages of several writers at once: calls wait for their results while others speak, and some for ever."""
    waiting: list[str] = []
    messages: list[SessionMessage] = []
    for number in range(draw(st.integers(0, 12))):
        role: Any = draw(
            st.sampled_from(["user", "assistant", "calls", "system", *(["tool"] * 3 if waiting else [])])
        )
        calls: tuple[ToolCall, ...] = ()
        answers = None
        if role == "calls":
            calls = tuple(
                ToolCall(id=f"{number}-{one}", name="find") for one in range(draw(st.integers(1, 3)))
            )
            waiting += [call.id for call in calls]
            role = "assistant"
        elif role == "tool":
            answers = waiting.pop(draw(st.integers(0, len(waiting) - 1)))
        messages.append(
            SessionMessage(
                number=number,
                timestamp=AT,
                run_id="run",
                role=role,
                tool_calls=calls,
                tool_call_id=answers,
                content=str(number),
            )
        )
    return messages


def strategies(
    count: int, chosen: Sequence[int]
) -> list[Callable[[Sequence[SessionMessage]], list[SessionMessage]]]:
    return [
        lambda messages: pruning.older_than(messages, count),
        lambda messages: pruning.outside_window(messages, count),
        lambda messages: pruning.unimportant(messages, chosen),
        pruning.closed,
    ]


COUNTS = st.integers(1, 8)
CHOSEN = st.lists(st.integers(0, 30), max_size=6)


@given(histories(), COUNTS, CHOSEN)
def test_a_result_stays_with_its_call_and_what_is_kept_in_its_order(
    messages: list[SessionMessage], count: int, chosen: list[int]
) -> None:
    for strategy in strategies(count, chosen):
        dropped = {message.number for message in strategy(messages)}
        kept = View.of(message.number for message in messages).without(dropped).numbers

        assert kept == [message.number for message in messages if message.number not in dropped]
        calls = {call.id for message in messages if message.number in kept for call in message.tool_calls}
        results = {message.tool_call_id for message in messages if message.number in kept} - {None}
        answered = {message.tool_call_id for message in messages} - {None}
        assert results == calls & answered


@given(histories(), COUNTS, CHOSEN)
def test_a_call_that_waits_for_its_result_is_never_dropped(
    messages: list[SessionMessage], count: int, chosen: list[int]
) -> None:
    answered = {message.tool_call_id for message in messages}
    for strategy in strategies(count, chosen):
        assert all(call.id in answered for message in strategy(messages) for call in message.tool_calls)


@given(histories(), COUNTS)
def test_the_newest_so_many_are_kept_or_fewer(messages: list[SessionMessage], count: int) -> None:
    dropped = pruning.older_than(messages, count)
    groups = pruning.groups_of(messages)

    still_open = sum(len(group.messages) for group in groups if group.is_open)
    largest = max((len(group.messages) for group in groups), default=0)
    assert len(messages) - len(dropped) <= max(count, largest) + still_open
    assert not messages or messages[-1] not in dropped


@given(histories(), COUNTS)
def test_a_window_keeps_the_newest_turn_and_what_the_system_said(
    messages: list[SessionMessage], count: int
) -> None:
    dropped = pruning.outside_window(messages, count)

    asked = [message for message in messages if message.role == "user"]
    assert all(message.role != "system" for message in dropped)
    assert not asked or asked[-1] not in dropped


@given(
    st.lists(st.integers(0, 40), unique=True), st.sets(st.integers(0, 40)), st.none() | st.integers(41, 50)
)
def test_a_view_is_the_list_that_it_stands_for(
    numbers: list[int], dropped: set[int], put: int | None
) -> None:
    view = View.of(numbers)

    assert (view.numbers, view.length) == (numbers, len(numbers))
    assert view.newest(3) == numbers[-3:]
    assert view.with_new(60, 2).numbers == [*numbers, 60, 61]
    left = view.without(dropped, put=put).numbers
    assert [number for number in left if number != put] == [one for one in numbers if one not in dropped]
    gone = [at for at, number in enumerate(numbers) if number in dropped]
    assert (put in left) == bool(put is not None and gone)
    if put is not None and gone:
        assert left.index(put) == gone[0]
