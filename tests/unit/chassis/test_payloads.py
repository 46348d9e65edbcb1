"""A payload that was kept is what is fetched, byte for byte, or it is said to be lost: never anything else."""

import asyncio
from collections.abc import Generator
from typing import Any, get_args

import pytest
from hypothesis import given, settings, strategies as st
from pydantic_core import to_json

from towpath_chassis import payloads
from towpath_chassis.digests import digest
from towpath_chassis.errors import PayloadLostError
from towpath_chassis.messages import Stored, StoredMessage
from towpath_chassis.payloads import Payloads, named, outline_of, size_whole
from towpath_schemas import subjects
from towpath_schemas.envelope import PAYLOAD_HEADER
from towpath_schemas.journal import JournalRecord
from towpath_schemas.streams import Stream

PIECE = 7
ENTRY = subjects.journal_entry("run-1", 3)
BODIES = st.binary(min_size=1, max_size=12 * PIECE)


class Kept:
    """A stream of pieces."""

    def __init__(self, *, piece: int = PIECE) -> None:
        self._piece = piece
        self.pieces: dict[str, bytes] = {}
        self.payloads = Payloads(self._put, self._read)

    async def _put(
        self, subject: str, body: bytes, *, headers: dict[str, str] | None, message_id: str
    ) -> Stored:
        assert len(body) <= self._piece
        assert message_id == subject
        self.pieces[subject] = body
        return Stored(len(self.pieces))

    async def _read(self, _stream: Stream, *places: str) -> list[StoredMessage]:
        return [StoredMessage(one, 1, self.pieces[one], {}, "") for one in places if one in self.pieces]


@pytest.fixture(autouse=True, scope="module")
def small_pieces() -> Generator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(payloads, "MAX_MESSAGE_BYTES", PIECE)
        patched.setattr(payloads, "_LOOK_AGAIN_S", 0)
        yield


@settings(max_examples=100, deadline=None)
@given(BODIES)
def test_what_is_kept_is_fetched_as_it_was_and_keeping_it_again_changes_nothing(body: bytes) -> None:
    async def play() -> None:
        kept = Kept()

        stored = await kept.payloads.keep(ENTRY, body, None)
        before = dict(kept.pieces)

        assert await kept.payloads.keep(ENTRY, body, None) == stored
        assert (kept.pieces, len(before)) == (before, stored.pieces)
        assert await kept.payloads.fetch(stored) == body

    asyncio.run(play())


@settings(max_examples=100, deadline=None)
@given(BODIES, st.data())
def test_whatever_happens_to_a_piece_is_noticed(body: bytes, data: st.DataObject) -> None:
    async def play() -> None:
        kept = Kept()
        stored = await kept.payloads.keep(ENTRY, body, None)
        place = data.draw(st.sampled_from(sorted(kept.pieces)))
        other = data.draw(st.none() | st.binary(max_size=PIECE).filter(lambda one: one != kept.pieces[place]))

        if other is None:
            del kept.pieces[place]
        else:
            kept.pieces[place] = other

        with pytest.raises(PayloadLostError):
            await kept.payloads.fetch(stored)

    asyncio.run(play())


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"owner": "a b", "size": 1, "pieces": 1}', b"\xff"])
def test_a_body_that_names_no_payload_is_told(body: bytes) -> None:
    with pytest.raises(PayloadLostError, match="names a payload; it does not"):
        named(body)


@pytest.mark.parametrize("name", ["input", "result", "value", "payload"])
async def test_an_outline_leaves_out_what_is_large_and_says_so(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(payloads, "MAX_MESSAGE_BYTES", 4_000)
    value = {"b": "x" * 5_000, "a": 10**40}
    body = to_json({"kind": "odd", "attempts": 1, name: value})

    reference, headers = await Kept(piece=4_000).payloads.checked_in(ENTRY, body, {"a": "b"}, lasting=True)

    outline = outline_of(reference)
    assert outline is not None
    assert outline.body == b'{"kind":"odd","attempts":1}'
    assert {left: one.sha256 for left, one in outline.left_out.items()} == {name: digest(value)}
    assert headers == {"a": "b", PAYLOAD_HEADER: "stored"}
    assert size_whole(StoredMessage(ENTRY, 1, reference, headers, "")) == len(body)


def test_whatever_makes_an_entry_large_can_be_left_out() -> None:
    for shape in get_args(get_args(JournalRecord)[0]):
        anything = {name for name, field in shape.model_fields.items() if field.annotation is Any}
        assert anything <= payloads._LARGE_FIELDS
