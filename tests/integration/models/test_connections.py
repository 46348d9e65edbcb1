"""Connections to model servers are kept while their loop runs, and closed with it; none is made where none may be."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import closing

import pytest

from towpath.embeddings import embedder
from towpath.embeddings.openai import OpenAIEmbedder
from towpath.errors import ConfigurationError
from towpath.models import resolve
from towpath.models.openai import OpenAIModel
from towpath.models.openai.clients import client_of, close_clients
from towpath.models.port import Message, ModelRequest
from towpath.models.providers import Access
from towpath.testing import no_real_models, scripted
from towpath_testkit.openai_server import Embeds, openai_server

ASKED = ModelRequest(messages=(Message(role="user", content="Hello"),))


def run_elsewhere(ask: Callable[[], Awaitable[object]]) -> None:
    """Run code in a loop of its own, in another thread, as programs without a loop do."""
    thread = threading.Thread(target=lambda: asyncio.run(_awaited(ask)))
    thread.start()
    thread.join()


async def _awaited(ask: Callable[[], Awaitable[object]]) -> None:
    await ask()


async def test_all_requests_of_a_loop_share_one_connection_whoever_asks() -> None:
    async with openai_server("Hello.", "Hello.", Embeds(dimensions=4)) as server:
        await OpenAIModel("gpt-4o-mini", base_url=server.base_url).generate(ASKED)
        await OpenAIModel("gpt-4o", base_url=server.base_url, api="responses").generate(ASKED)
        await OpenAIEmbedder("own", dimensions=4, base_url=server.base_url).embed(["one"])

        assert len(server.requests) == 3
        assert len(server.connections) == 1


async def test_each_loop_has_its_own_clients_and_they_are_closed_when_it_ends() -> None:
    async with openai_server() as server:
        model = OpenAIModel("gpt-4o-mini", base_url=server.base_url)
        access = Access(base_url=server.base_url)
        clients = [await client_of(access.server(), model.name)]

        async def asked_in_its_loop() -> None:
            await model.generate(ASKED)
            clients.append(await client_of(access.server(), model.name))

        await model.generate(ASKED)
        for _ in range(2):
            await asyncio.to_thread(run_elsewhere, asked_in_its_loop)
        await model.generate(ASKED)

    assert [client.is_closed() for client in clients] == [False, True, True]
    assert len({id(client) for client in clients}) == 3
    assert len(server.connections) == 3


async def test_clients_can_be_closed_earlier_and_are_made_anew() -> None:
    async with openai_server() as server:
        model = OpenAIModel("gpt-4o-mini", base_url=server.base_url)
        await model.generate(ASKED)
        before = await client_of(Access(base_url=server.base_url).server(), model.name)
        await close_clients()

        assert before.is_closed()
        assert (await model.generate(ASKED)).text == "Hello."


def test_a_loop_that_ended_without_cleaning_up_is_forgotten() -> None:
    async def made() -> object:
        return await client_of(Access().server(), "openai/gpt-4o")

    with closing(asyncio.new_event_loop()) as loop:
        first = loop.run_until_complete(made())
    with closing(asyncio.new_event_loop()) as another:
        assert another.run_until_complete(made()) is not first
        another.run_until_complete(another.shutdown_asyncgens())


async def test_another_key_is_another_client() -> None:
    async with openai_server() as server:
        for key in ("mine", "yours", "mine"):
            await OpenAIModel("gpt-4o-mini", base_url=server.base_url, api_key=key).generate(ASKED)

    assert server.authorisations == ["Bearer mine", "Bearer yours", "Bearer mine"]
    assert len(server.connections) == 2


# --- No real models -------------------------------------------------------------------------------


async def test_where_no_real_model_may_be_called_none_is_whatever_way_it_was_made() -> None:
    made = OpenAIModel("gpt-4o-mini")
    asked = (
        made.generate(ASKED),
        anext(made.stream(ASKED)),
        embedder("openai/text-embedding-3-small").embed(["one"]),
    )
    with no_real_models():
        for one in asked:
            with pytest.raises(ConfigurationError, match=r"openai/.* is a real model"):
                await one


async def test_the_environment_can_refuse_real_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOWPATH_NO_REAL_MODELS", "1")

    with pytest.raises(ConfigurationError, match="TOWPATH_NO_REAL_MODELS is set"):
        await resolve("openai/gpt-4o-mini").generate(ASKED)
    with no_real_models({"openai/gpt-4o-mini": scripted("Hello")}):
        assert (await resolve("openai/gpt-4o-mini").generate(ASKED)).text == "Hello"


async def test_the_environment_may_say_that_real_models_are_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOWPATH_NO_REAL_MODELS", "0")
    async with openai_server() as server:
        assert (await OpenAIModel("m", base_url=server.base_url).generate(ASKED)).text == "Hello."
