"""The samples about asynchronous and streaming functions in the documentation of agnt5, as they are written there: only imports are others."""
# pyright: reportUnknownParameterType=false, reportMissingParameterType=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportMissingTypeArgument=false
# pyright: reportUnnecessaryIsInstance=false, reportDeprecated=false
# ruff: noqa: DTZ003

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import httpx
import pytest

from towpath import ExecutionContext, function
from towpath.decorators import execute_component


def executed(name: str, payload: Any) -> Any:
    return json.loads(execute_component(name, json.dumps(payload).encode()))


# --- Async functions ----------------------------------------------------------------------------------


@pytest.fixture
def example_api(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let api.example.com, which nobody may call, answer with what it was sent."""

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"echo": json.loads(request.content)})

    class Answered(httpx.AsyncClient):
        def __init__(self) -> None:
            super().__init__(transport=httpx.MockTransport(answer))

    monkeypatch.setattr(httpx, "AsyncClient", Answered)


@pytest.mark.usefixtures("example_api")
def test_async_handler_and_its_test() -> None:
    @function()
    async def async_processor(data: dict) -> dict:
        """Async processing with I/O operations."""
        # Simulate async I/O
        await asyncio.sleep(0.1)

        # Async HTTP request example
        async with httpx.AsyncClient() as client:
            response = await client.post(
                "https://api.example.com/process",
                json=data,
            )
            external_result = response.json()

        return {
            "original": data,
            "external": external_result,
            "processed_at": datetime.utcnow().isoformat(),
        }

    async def test_async_function() -> None:
        result = await async_processor({"test": "data"})
        assert "original" in result
        assert "processed_at" in result

    asyncio.run(test_async_function())
    assert executed("async_processor", {"test": "data"})["external"] == {"echo": {"test": "data"}}


def test_async_handler_with_context() -> None:
    class Database:
        async def execute(self, statement: str, name: str) -> list[list[tuple[str, str]]]:
            return [[("name", name)]]

    database = Database()

    @function()
    async def async_context_handler(ctx: ExecutionContext, query: str) -> dict:
        """Async handler with context access."""

        # Use context for correlation
        correlation_id = ctx.metadata.get("correlation_id", ctx.invocation_id)

        # Async database query
        result = await database.execute(
            "SELECT * FROM items WHERE name LIKE %s",
            f"%{query}%",
        )

        return {
            "correlation_id": correlation_id,
            "query": query,
            "results": [dict(row) for row in result],
        }

    result = executed("async_context_handler", "boat")

    assert (result["query"], result["results"]) == ("boat", [{"name": "%boat%"}])
    assert re.fullmatch("[0-9a-f]{32}", result["correlation_id"])
    _ = async_context_handler


# --- Streaming functions ------------------------------------------------------------------------------


async def test_basic_streaming() -> None:
    @function(streaming=True)
    async def stream_data(count: int):
        """Stream multiple data chunks."""
        for i in range(count):
            yield {
                "chunk": i,
                "data": f"Data chunk {i}",
                "timestamp": time.time(),
            }
            await asyncio.sleep(0.1)  # Simulate processing time

    chunks = [chunk async for chunk in stream_data(2)]
    result = await asyncio.to_thread(executed, "stream_data", {"count": 2})

    assert [chunk["data"] for chunk in chunks] == ["Data chunk 0", "Data chunk 1"]
    assert [chunk["chunk"] for chunk in result] == [0, 1]


def test_streaming_with_context() -> None:
    class SearchEngine:
        async def stream_search(self, query: str) -> AsyncIterator[str]:
            for number in range(2):
                yield f"{query} {number}"

    search_engine = SearchEngine()

    @function(streaming=True)
    async def stream_with_context(ctx: ExecutionContext, query: str):
        """Stream search results progressively."""
        search_id = ctx.invocation_id

        # Stream results as they're found
        async for result in search_engine.stream_search(query):
            yield {
                "search_id": search_id,
                "result": result,
                "timestamp": time.time(),
            }

    chunks = executed("stream_with_context", {"query": "boat"})

    assert [chunk["result"] for chunk in chunks] == ["boat 0", "boat 1"]
    assert len({chunk["search_id"] for chunk in chunks}) == 1
    _ = stream_with_context
