"""Secrets in texts that come in pieces: found however the text is cut, and nothing else waits for long."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import example, given, strategies as st

from towpath import Context, function, local
from towpath.errors import ComponentError, NotSerialisableError
from towpath.models.pieces import ArgumentsSoFar, stream_of
from towpath.models.port import (
    Citation,
    CitationPiece,
    ModelReply,
    ModelRequest,
    Piece,
    ReasoningPiece,
    SignaturePiece,
    ToolUsePiece,
)
from towpath.models.redacting import RedactedModel, RedactedPieces
from towpath.secrecy import PiecewiseRedaction, SecretValue, _Revealed, redacted, secret_in
from towpath.testing import VirtualPlatform
from towpath.unbroken import HeldTexts, unbroken
from towpath_testkit.settled import until_so

CHARS = "ab"
SECRETS = st.lists(st.text(CHARS, min_size=1, max_size=5), max_size=4)
PIECES = st.lists(st.text(CHARS, max_size=4), max_size=12)
CARD = "4111-2222-3333-4444"


@contextmanager
def knowing(*secrets: str) -> Generator[_Revealed]:
    revealed = _Revealed()
    for number, secret in enumerate(secrets):
        revealed.add(SecretValue(f"s{number}", secret))
    with patch("towpath.secrecy._revealed", revealed):
        yield revealed


@given(SECRETS, PIECES)
@example(["a\n'b"], ["a", "\\", "n", "'b a\n", "'b"])
@example(["ab", "abba"], ["ab", "b", "ab", "ba"])
@example(["abba"], ["abb", "a"])
def test_a_text_is_redacted_alike_whole_and_in_pieces(secrets: list[str], pieces: list[str]) -> None:
    with knowing(*secrets):
        redaction = PiecewiseRedaction()
        said = [redaction.next(piece) for piece in pieces]

        assert "".join([*said, redaction.rest()]) == redacted("".join(pieces))


@given(SECRETS, PIECES)
def test_only_what_may_begin_a_secret_waits(secrets: list[str], pieces: list[str]) -> None:
    with knowing(*secrets) as revealed:
        redaction = PiecewiseRedaction()
        for piece in pieces:
            redaction.next(piece)
            kept = redaction._kept

            assert not kept or any(one.startswith(kept) and one != kept for one in revealed._names)


# --- Pieces of answers ------------------------------------------------------------------------------


def call_pieces(added: list[tuple[str, str]]) -> list[Piece]:
    arguments: dict[str, str] = {}
    pieces: list[Piece] = []
    for call, more in added:
        arguments[call] = arguments.get(call, "") + more
        pieces.append(ToolUsePiece(call, "find", arguments[call]))
    return pieces


ANSWERS: st.SearchStrategy[list[Piece]] = st.lists(
    st.one_of(
        PIECES,
        PIECES.map(lambda texts: [*map(ReasoningPiece, texts)]),
        st.just([CitationPiece(Citation(title="Tides"))]),
    ),
    max_size=4,
).flatmap(
    lambda parts: st.lists(st.tuples(st.sampled_from("xy"), st.text(CHARS, max_size=4)), max_size=8).map(
        lambda added: [*(piece for part in parts for piece in part), *call_pieces(added)]
    )
)


def runs(pieces: list[Piece]) -> list[tuple[str, str]]:
    """Write pieces as what they add to which text, in order; what follows each other is put together."""
    arguments, found = ArgumentsSoFar(), list[tuple[str, str]]()
    for piece in pieces:
        match piece:
            case str():
                added = piece
            case ReasoningPiece():
                added = piece.text
            case ToolUsePiece():
                added = arguments.added_by(piece)
            case _:
                added = ""
        stream = stream_of(piece)
        if found and found[-1][0] == stream:
            found[-1] = stream, found[-1][1] + added
        else:
            found.append((stream, added))
    return found


@given(SECRETS, ANSWERS)
def test_pieces_of_an_answer_are_redacted_in_their_order(secrets: list[str], pieces: list[Piece]) -> None:
    with knowing(*secrets):
        redacted_pieces = RedactedPieces()
        said = [one for piece in pieces for one in redacted_pieces.next(piece)]
        said += redacted_pieces.rest()

        assert runs(said) == [(stream, redacted(text)) for stream, text in runs(pieces)]


@given(ANSWERS)
def test_where_no_secret_begins_each_piece_is_told_at_once_as_it_is(pieces: list[Piece]) -> None:
    with knowing("other"):
        redacted_pieces = RedactedPieces()

        assert [[*redacted_pieces.next(piece)] for piece in pieces] == [[piece] for piece in pieces]


def test_what_is_said_beside_texts_is_redacted_too() -> None:
    with knowing(CARD):
        pieces = RedactedPieces()

        assert [*pieces.next(SignaturePiece(f'[{{"text": "{CARD}"}}]', is_redacted=False))] == [
            SignaturePiece('[{"text": "[secret s0]"}]', is_redacted=False)
        ]
        assert [*pieces.next(CitationPiece(Citation(title=f"About {CARD}", start=3)))] == [
            CitationPiece(Citation(title="About [secret s0]", start=3))
        ]


class BreaksOff:
    """A model that does something else in the middle of what it says."""

    name = "test/breaks-off"

    def __init__(self, does: Callable[[], Awaitable[Any]]) -> None:
        self._does = does

    async def generate(self, request: ModelRequest) -> ModelReply:
        raise AssertionError("it is to be heard while it speaks")

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Piece | ModelReply]:
        yield "It is 4111-"
        await self._does()


async def test_what_waits_is_told_before_a_model_fails() -> None:
    async def fails() -> None:
        raise ConnectionError

    heard: list[Piece | ModelReply] = []
    with knowing(CARD), pytest.raises(ConnectionError):
        await heard_of(RedactedModel(BreaksOff(fails)).stream(ModelRequest(messages=())), heard)

    assert heard == ["It is ", "4111-"]


async def test_what_waits_is_told_when_the_listener_is_cancelled() -> None:
    heard: list[Piece | ModelReply] = []
    with knowing(CARD):
        model = RedactedModel(BreaksOff(asyncio.Event().wait))
        listening = asyncio.ensure_future(heard_of(model.stream(ModelRequest(messages=())), heard))
        await until_so(lambda: heard)
        listening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await listening

    assert heard == ["It is ", "4111-"]


async def heard_of(chunks: AsyncGenerator[Any], heard: list[Any]) -> None:
    async for chunk in chunks:
        heard.append(chunk)  # noqa: PERF401 - what was heard before a failure counts


# --- Chunks that functions yield --------------------------------------------------------------------


@given(SECRETS, PIECES)
def test_chunks_of_text_are_handed_on_until_they_hold_a_secret_together(
    secrets: list[str], chunks: list[str]
) -> None:
    with knowing(*secrets) as revealed:
        held, handed_on = HeldTexts("talks"), list[str]()
        for number, chunk in enumerate(chunks, start=1):
            so_far = "".join(chunks[:number])
            if secret_in(so_far) is not None:
                with pytest.raises(NotSerialisableError, match="talks, chunks"):
                    held.next(chunk)
                begins = min(so_far.index(one) for one in revealed._names if one in so_far)
                assert len("".join(handed_on)) <= begins
                return
            handed_on += held.next(chunk)

        assert [*handed_on, *held.rest()] == chunks


async def test_a_chunk_waits_only_while_a_secret_may_begin_in_it() -> None:
    with knowing(CARD):
        held = HeldTexts("talks")

        handed_on = [held.next(chunk) for chunk in ("card ", "4", "111-", "9", "it is 4", "4", {"card": "4"})]

    assert handed_on == [["card "], [], [], ["4", "111-", "9"], [], ["it is 4"], ["4", {"card": "4"}]]


async def test_what_waits_is_handed_on_before_what_the_code_raises() -> None:
    async def chunks() -> AsyncGenerator[str]:
        yield "4111-"
        raise ConnectionError

    heard: list[str] = []
    with knowing(CARD), pytest.raises(ConnectionError):
        await heard_of(unbroken(chunks(), "talks"), heard)

    assert heard == ["4111-"]


async def talks(ctx: Context) -> AsyncGenerator[str]:
    card = ctx.secrets().get("card")
    yield "It is "
    yield card[:7]
    yield card[7:]


TOGETHER = r"talks, chunks 1 to 2: together they hold the secret 'card'"


async def test_a_function_whose_chunks_hold_a_secret_together_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOWPATH_SECRET_CARD", CARD)

    with pytest.raises(ComponentError, match=TOGETHER):
        await local.run(function(talks))


async def test_no_part_of_a_secret_that_chunks_hold_together_is_told_or_journaled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TOWPATH_SECRET_CARD", CARD)

    async with VirtualPlatform() as platform:
        run = await platform.start(function(talks))
        with pytest.raises(ComponentError, match=TOGETHER):
            await run.result()

        assert run.chunks == ["It is "]
        assert not [record for record in run.journal if CARD[:7].encode() in record.to_body()]
