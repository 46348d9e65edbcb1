"""Pieces in which an answer was heard, written down and heard again."""

import json
import re

import pytest
from hypothesis import given, strategies as st

from towpath import Context, ToolCall, script, workflow
from towpath.models.pieces import pieces_of, with_pieces
from towpath.models.port import (
    Citation,
    CitationPiece,
    HeardPiece,
    ModelReply,
    Piece,
    ReasoningPiece,
    SignaturePiece,
    ToolUsePiece,
)
from towpath.secrecy import reveal
from towpath.testing import VirtualPlatform, crash_everywhere, scripted
from towpath_schemas.journal import CallSettled

CARD = "4111-2222-3333-4444"


def cited(title: str) -> CitationPiece:
    return CitationPiece(Citation(title=title))


TEXTS = st.text(max_size=5)
PIECES: st.SearchStrategy[list[Piece]] = st.lists(
    st.one_of(
        TEXTS,
        TEXTS.map(ReasoningPiece),
        st.builds(SignaturePiece, TEXTS, st.booleans()),
        TEXTS.map(cited),
    ),
    max_size=6,
)


def heard_again(reply: ModelReply, pieces: list[Piece]) -> list[Piece]:
    written = with_pieces(reply, pieces).model_dump(mode="json", exclude_defaults=True)
    return list(pieces_of(ModelReply.model_validate(json.loads(json.dumps(written)))))


@given(PIECES, st.booleans())
def test_an_answer_is_heard_again_in_the_pieces_in_which_it_was_heard(
    pieces: list[Piece],
    has_other_words: bool,  # noqa: FBT001 - hypothesis gives it
) -> None:
    text = "".join(piece for piece in pieces if isinstance(piece, str))
    reasoning = "".join(piece.text for piece in pieces if isinstance(piece, ReasoningPiece))
    reply = ModelReply(text="other words") if has_other_words else ModelReply(text=text, reasoning=reasoning)

    assert heard_again(reply, pieces) == pieces


@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), TEXTS), max_size=6))
def test_a_tool_call_is_heard_again_as_it_was_written(added: list[tuple[str, str]]) -> None:
    arguments: dict[str, str] = {}
    pieces: list[Piece] = []
    for call, more in added:
        arguments[call] = arguments.get(call, "") + more
        pieces.append(ToolUsePiece(call, "find", arguments[call]))

    assert heard_again(ModelReply(), pieces) == pieces


def test_what_was_cut_out_of_an_answer_is_not_heard_again() -> None:
    reply = with_pieces(ModelReply(text="the key is 12345."), ["the key ", "is ", "12345."])

    cut = reply.model_copy(update={"text": "the key is *."})

    assert list(pieces_of(cut)) == ["the key ", "is ", "*."]


def test_what_was_put_in_place_of_a_part_of_an_answer_is_heard_as_a_whole() -> None:
    pieces = ["the key ", ReasoningPiece("Hm, "), "is ", "12345.", ReasoningPiece("12345.")]
    reply = with_pieces(ModelReply(text="the key is 12345.", reasoning="Hm, 12345."), pieces)

    masked = reply.model_copy(update={"text": "the key is [secret key].", "reasoning": "Hm, [secret key]."})

    said = ["the key ", ReasoningPiece("Hm, "), "is ", "[secret key].", ReasoningPiece("[secret key].")]
    assert list(pieces_of(masked)) == said


async def test_a_secret_is_in_no_record_and_is_heard_nowhere_however_its_pieces_are_cut(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TOWPATH_SECRET_CARD", CARD)
    said = ModelReply(
        text=f"Paid with {CARD} today.",
        reasoning=f"I have {CARD}.",
        tool_calls=(ToolCall(id="c", name="pay", arguments={"card": CARD}),),
    )
    pays = scripted(*[said] * 99)

    @workflow
    async def listens(ctx: Context) -> list[str]:
        ctx.secrets().get("card")
        chunks = [chunk async for chunk in ctx.llm.stream("Pay.", model=pays)]
        heard = ["".join(chunk.text for chunk in chunks), "".join(chunk.reasoning for chunk in chunks)]
        return [*heard, [chunk.tool_use.arguments_so_far for chunk in chunks if chunk.tool_use][-1]]

    survived = await crash_everywhere(listens)

    paid = ["Paid with [secret card] today.", "I have [secret card].", '{"card":"[secret card]"}']
    assert survived.finished.result == paid
    async with VirtualPlatform(always_replay=True) as platform:
        run = await platform.start(listens)
        assert await run.result() == paid
        written = [one for one in run.journal if isinstance(one, CallSettled)][-1].result
    assert not re.findall(r"\d\d\d|\d-", json.dumps(written["pieces"]))


def test_a_secret_that_something_else_divides_is_written_down_where_its_end_was_heard() -> None:
    reveal("card", CARD)
    pieces = [CARD[:7], cited("Cards"), CARD[7:]]

    written = with_pieces(ModelReply(text=CARD[:2]), pieces).pieces

    assert written == ("", HeardPiece(citation=Citation(title="Cards")), "[secret card]")


async def test_whoever_stops_listening_hears_the_same_wherever_the_run_is_killed() -> None:
    script("talks", ["one two three four five"] * 99)

    @workflow
    async def hears_some(ctx: Context) -> list[str]:
        heard: list[str] = []
        async for chunk in ctx.llm.stream("Count.", model="test/talks"):
            heard.append(chunk.text)
            if len(heard) == 2:
                break
        await ctx.step("noted", list, heard)
        await ctx.sleep(3_600)
        return heard

    survived = await crash_everywhere(hears_some)

    assert survived.finished.result == ["one ", "two "]
