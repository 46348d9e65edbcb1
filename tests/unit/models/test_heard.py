"""Pieces in which an answer was heard, written down and heard again."""

import json

from hypothesis import given, strategies as st

from towpath import Context, script, workflow
from towpath.models.heard import pieces_of, with_pieces
from towpath.models.port import (
    Citation,
    CitationPiece,
    ModelReply,
    Piece,
    ReasoningPiece,
    SignaturePiece,
    ToolUsePiece,
)
from towpath.testing import crash_everywhere


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
