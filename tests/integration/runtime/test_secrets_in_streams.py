"""Who watches a run while its model speaks sees no secret, however the model cuts it; nor what a function cuts."""

from collections.abc import AsyncGenerator

import pytest

from towpath import Agent, Client, Context, ModelReply, ModelRequest, function
from towpath.client import Chunk
from towpath.context_services.secrets import Secrets
from towpath.errors import ComponentError
from towpath.models.port import Piece, ReasoningPiece
from towpath_testkit.builders import TENANT
from towpath_testkit.hosting import Platform

pytestmark = pytest.mark.live

CARD = "4111-2222-3333-4444"


@pytest.fixture(autouse=True)
def card(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("TOWPATH_SECRET_CARD", CARD)
    return Secrets().get("card")


class Speaker:
    """A model that cuts what it says in pieces of its own."""

    name = "test/speaker"

    def __init__(self, *pieces: Piece) -> None:
        self.pieces = pieces

    async def generate(self, request: ModelRequest) -> ModelReply:
        raise AssertionError("it is to be heard while it speaks")

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Piece | ModelReply]:
        for piece in self.pieces:
            yield piece
        yield ModelReply(text="".join(piece for piece in self.pieces if isinstance(piece, str)))


async def heard_by_client(client: Client, run_id: str, chunks: list[Chunk]) -> None:
    async for chunk in client.stream(run_id):
        chunks.append(chunk)  # noqa: PERF401 - what was heard before a failure counts


async def test_pieces_of_what_an_agent_says_tell_no_secret_and_lose_nothing_else(towpath: Platform) -> None:
    cut = (ReasoningPiece("Card 414"), ReasoningPiece(CARD[1:]), "It is ", "4111-2222", CARD[9:], ". In 4")
    Agent(Speaker(*cut), name="desk")
    await towpath.router()
    await towpath.agent_runner()
    chunks: list[Chunk] = []
    async with Client(towpath.url) as client:
        run_id = await client.start("desk", "Which card?", tenant=TENANT)
        await heard_by_client(client, run_id, chunks)

    told = [(one.index, one.piece, one.value["type"], one.value.get("content", "")) for one in chunks]
    assert told == [
        (0, 0, "thinking", "Card 41"),
        (0, 1, "thinking", "[secret card]"),
        (0, 2, "response.delta", "It is "),
        (0, 3, "response.delta", "[secret card]"),
        (0, 4, "response.delta", ". In "),
        (0, 5, "response.delta", "4"),
        (0, None, "response", "It is [secret card]. In 4"),
        (1, None, "result", "It is [secret card]. In 4\n"),
    ]


async def test_chunks_of_a_function_tell_no_part_of_a_secret(towpath: Platform) -> None:
    @function
    async def talks(ctx: Context) -> AsyncGenerator[str]:
        yield "It is 4"
        yield "2, and "
        yield CARD[:9]
        yield CARD[9:]

    await towpath.router()
    await towpath.agent_runner()
    chunks: list[Chunk] = []
    async with Client(towpath.url) as client:
        run_id = await client.start("talks", tenant=TENANT)
        with pytest.raises(
            ComponentError, match="talks, chunks 2 to 3: together they hold the secret 'card'"
        ):
            await heard_by_client(client, run_id, chunks)

    assert [(one.index, one.value) for one in chunks] == [(0, "It is 4"), (1, "2, and ")]
