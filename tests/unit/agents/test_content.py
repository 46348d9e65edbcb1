"""Messages as programs see them and as models are told them."""

from typing import Any

import pytest
from hypothesis import given, strategies as st

from towpath.agents.content import Translation, copied, dict_messages, port_messages
from towpath.errors import InvalidInputError
from towpath.models.images import Image
from towpath.models.port import Citation, Message
from towpath.tools.calls import ToolCall

texts = st.text(max_size=5)
calls = st.builds(ToolCall, id=texts, name=texts, arguments=st.dictionaries(texts, st.integers(), max_size=2))
images = st.sampled_from([Image(url="https://example.com/a.png"), Image.of(b"\x89PNG\r\n\x1a\n")])
sources = st.builds(Citation, title=st.none() | texts, url=texts) | st.builds(Citation, file_id=texts)
spans = st.tuples(sources, st.integers(0, 9), st.integers(0, 9)).map(
    lambda of: of[0].model_copy(update={"start": of[1], "end": of[2]})
)
assistants = st.builds(
    Message,
    role=st.just("assistant"),
    content=texts,
    tool_calls=st.lists(calls, max_size=2).map(tuple),
    reasoning=texts,
    citations=st.lists(sources | spans, max_size=2).map(tuple),
)
users = st.builds(
    Message, role=st.just("user"), content=texts, images=st.lists(images, max_size=2).map(tuple)
)
results = st.builds(Message, role=st.just("tool"), content=texts, tool_call_id=texts, failed=st.booleans())


@given(st.lists(assistants | users | results, max_size=6))
def test_what_a_model_is_told_survives_the_way_to_dicts_and_back(messages: list[Message]) -> None:
    there = dict_messages(messages)

    assert [told for message in there for told in port_messages(message)] == messages


@given(st.lists(assistants | users | results, min_size=1, max_size=6), st.data())
def test_a_translation_follows_every_change(messages: list[Message], data: Any) -> None:
    history = dict_messages(messages)
    translation = Translation()
    translation.of(history)

    changed = data.draw(st.integers(0, len(history) - 1))
    history[changed]["content"][:] = [{"text": "changed"}]
    del history[: data.draw(st.integers(0, len(history) - 1))]
    history.append({"role": "user", "content": [{"text": "new"}]})

    assert translation.of(history) == tuple(told for message in history for told in port_messages(message))


def test_what_has_not_changed_is_not_translated_again() -> None:
    history = [{"role": "user", "content": [{"text": str(number)}]} for number in range(3)]
    translation = Translation()

    before = translation.of(history)
    del history[0]
    history.append({"role": "user", "content": [{"text": "new"}]})
    after = translation.of(history)

    assert [one is other for one, other in zip(before[1:], after, strict=False)] == [True, True]


def test_a_block_of_another_kind_is_refused_by_name() -> None:
    with pytest.raises(InvalidInputError, match="'video', which models are not told"):
        port_messages({"role": "user", "content": [{"video": {}}]})


def test_what_a_block_of_citations_says_is_told() -> None:
    block = {"content": [{"text": "At noon."}], "citations": [{"title": "Tides", "location": {"page": 3}}]}

    (told,) = port_messages({"role": "assistant", "content": [{"citationsContent": block}]})

    assert (told.content, told.citations) == ("At noon.", (Citation(title="Tides"),))


def test_a_copy_shares_no_lists_and_dicts() -> None:
    value = {"a": [{"b": 1}], "c": "x"}
    copy = copied(value)
    value["a"].append(2)  # type: ignore[union-attr]

    assert copy == {"a": [{"b": 1}], "c": "x"}
