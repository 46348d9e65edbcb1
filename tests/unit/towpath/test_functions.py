"""Functions: what they may be told, how they stream, and how they are looked at and tried out."""

import asyncio
import json
import math
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from contextlib import aclosing
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from pydantic import BaseModel

from towpath import Context, LocalContext, function, workflow
from towpath.components import REGISTRY, Component, ComponentType
from towpath.decorators import (
    clear_registry,
    execute_component,
    get_function_metadata,
    get_registered_functions,
    register_function,
)
from towpath.definitions import component_of
from towpath.errors import (
    ComponentError,
    ConfigurationError,
    InvalidInputError,
    NotSerialisableError,
    RegistrationError,
)
from towpath.local import run
from towpath.streaming import items
from towpath.threads import yielded_in_thread


class Item(BaseModel):
    sku: str
    price: float


def component(registered: Callable[..., Any]) -> Component:
    found = component_of(registered)
    assert found is not None
    return found


# --- Options --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "timeout_ms", [0, -1, math.nan, math.inf, 1e30, 10**400, True, "100", timedelta(0), timedelta(days=-1)]
)
def test_a_time_limit_that_nothing_could_keep_is_refused(timeout_ms: Any) -> None:
    with pytest.raises(RegistrationError, match=r"timeout_ms=.*over 0 and no more than a century"):
        function(timeout_ms=timeout_ms)


@pytest.mark.parametrize("timeout_ms", [1_500, 1_500.0, timedelta(seconds=1.5)])
def test_a_time_limit_is_a_number_of_milliseconds_or_a_timedelta(timeout_ms: Any) -> None:
    @function(timeout_ms=timeout_ms)
    def patient() -> None:
        pass

    assert component(patient).timeout_s == 1.5


@pytest.mark.parametrize("name", ["", "x" * 257, 3])
def test_a_name_that_nothing_could_be_called_by_is_refused(name: Any) -> None:
    with pytest.raises(RegistrationError, match="a name is text of 1 to 256 characters"):
        function(name=name)(lambda: None)


async def test_an_attempt_that_takes_too_long_is_stopped_and_says_so() -> None:
    attempts: list[int] = []

    @function(timeout_ms=20, retries=2, backoff={"type": "constant", "initial_interval_ms": 1})
    async def hang(ctx: Context) -> None:
        attempts.append(ctx.attempt)
        await asyncio.Event().wait()

    with pytest.raises(ComponentError, match=r"hang did not end within 0\.02 s") as raised:
        await run(hang)

    assert (raised.value.failure.code, attempts) == ("timeout", [1, 2])


def test_a_bound_method_is_registered_by_its_name() -> None:
    class Shop:
        def price(self, sku: str) -> str:
            return f"{sku} is dear"

    register_function("price", Shop().price)

    assert execute_component("price", b'"a"') == b'"a is dear"'


# --- Types ------------------------------------------------------------------------------------------


async def test_bad_input_is_refused_before_the_body_runs_with_the_path_of_the_field() -> None:
    ran: list[Any] = []

    @function
    def total(items: list[Item]) -> float:
        ran.append(items)
        return 0.0

    with pytest.raises(ComponentError, match=r"items\.1\.price: Field required"):
        await run(total, {"items": [{"sku": "a", "price": 1}, {"sku": "b"}]})

    assert ran == []


async def test_a_result_that_its_annotation_does_not_allow_names_the_function_and_the_path() -> None:
    @function
    def offer() -> list[Item]:
        return [{"sku": "a", "price": 1}, {"sku": "b", "price": "dear"}]  # type: ignore[list-item]

    with pytest.raises(ComponentError, match=r"offer, result: .*1\.price: .*valid number") as raised:
        await run(offer)

    assert raised.value.failure.code == "not_serialisable"


# --- Streaming --------------------------------------------------------------------------------------


async def count_up(count: int) -> AsyncGenerator[int]:
    for number in range(count):
        yield number


def count_in_thread(count: int) -> Iterator[int]:
    yield from range(count)


class Counter:
    async def __call__(self, count: int) -> AsyncIterator[int]:
        for number in range(count):
            yield number


STREAMS: list[Callable[..., Any]] = [
    count_up,
    count_in_thread,
    partial(count_up),
    partial(count_in_thread, count=3),
    Counter(),
]


@pytest.mark.parametrize("stream", STREAMS, ids=["async", "sync", "partial", "sync partial", "object"])
@pytest.mark.parametrize("streaming", [False, True])
async def test_every_generator_streams_and_its_result_is_the_list_of_its_chunks(
    stream: Callable[..., Any], *, streaming: bool
) -> None:
    registered = component(function("count", streaming=streaming)(stream))
    told: list[tuple[int, Any]] = []

    async def tell(index: int, chunk: Any) -> None:
        told.append((index, chunk))

    result = await registered.run(LocalContext(), {"count": 3}, tell)

    assert result == await run("count", {"count": 3}) == [0, 1, 2]
    assert told == [(0, 0), (1, 1), (2, 2)]
    assert registered.output_schema == {"type": "array", "items": {"type": "integer"}}


def test_insisting_that_something_streams_which_does_not_is_an_error() -> None:
    with pytest.raises(RegistrationError, match="plain does not yield: leave streaming=True out"):

        @function(streaming=True)
        async def plain() -> int:
            return 1


async def test_in_a_script_a_streaming_function_is_the_generator_it_was() -> None:
    asynchronous, synchronous = function(count_up), function(count_in_thread)

    assert [chunk async for chunk in asynchronous(3)] == [*synchronous(3)] == [0, 1, 2]


async def test_what_does_not_stream_tells_nothing() -> None:
    @function
    def plain() -> int:
        return 7

    async def tell(index: int, chunk: Any) -> None:
        raise AssertionError((index, chunk))

    assert await component(plain).run(LocalContext(), None, tell) == 7


async def test_a_chunk_is_told_before_the_next_one_is_made() -> None:
    order: list[str] = []

    @function
    def letters() -> Iterator[str]:
        for letter in "ab":
            order.append(f"made {letter}")
            yield letter

    async def tell(index: int, chunk: Any) -> None:
        await asyncio.sleep(0)
        order.append(f"told {chunk}")

    await component(letters).run(LocalContext(), None, tell)

    assert order == ["made a", "told a", "made b", "told b"]


async def test_a_chunk_that_its_annotation_does_not_allow_is_named_by_its_number() -> None:
    @function
    async def offers() -> AsyncGenerator[Item]:
        yield Item(sku="a", price=1)
        yield {"sku": "b"}  # type: ignore[misc]

    with pytest.raises(NotSerialisableError, match=r"offers, chunk 1: .*price: Field required"):
        await component(offers).execute(None, None)


async def test_a_step_may_be_given_a_generator_too() -> None:
    @workflow
    async def counts(ctx: Context) -> list[int]:
        return await ctx.step("count", count_up, 2) + await ctx.step("count", count_in_thread, 2)

    assert await run(counts) == [0, 1, 0, 1]


async def test_a_streaming_function_that_is_given_up_is_cleaned_up(caplog: pytest.LogCaptureFixture) -> None:
    closed = asyncio.Event()

    async def endless() -> AsyncGenerator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.set()

    async with aclosing(items(endless, (), {})) as produced:
        async for _ in produced:
            break

    assert closed.is_set()


# --- Sync generators run in a thread ------------------------------------------------------------------


async def test_a_sync_generator_lives_in_one_thread_that_is_not_the_loops() -> None:
    def where() -> Generator[int]:
        for _ in range(3):
            yield threading.get_ident()

    seen = {ident async for ident in yielded_in_thread(where)}

    assert len(seen) == 1
    assert threading.get_ident() not in seen


async def test_a_sync_generator_does_not_block_the_loop() -> None:
    released = threading.Event()

    def waits() -> Generator[str]:
        assert released.wait(5)
        yield "released"

    produced = yielded_in_thread(waits)
    first = asyncio.ensure_future(anext(produced))
    await asyncio.sleep(0.01)
    released.set()

    assert await first == "released"
    assert [item async for item in produced] == []


async def test_what_a_sync_generator_raises_comes_after_what_it_yielded() -> None:
    def fails() -> Generator[int]:
        yield 1
        raise ValueError("no more")

    produced = yielded_in_thread(fails)

    assert await anext(produced) == 1
    with pytest.raises(ValueError, match="no more"):
        await anext(produced)


async def test_a_sync_generator_that_is_given_up_is_closed_at_its_next_item() -> None:
    closed = threading.Event()

    def endless() -> Generator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.set()

    async with aclosing(yielded_in_thread(endless)) as produced:
        async for _ in produced:
            break

    assert await asyncio.to_thread(closed.wait, 5)


# --- The registry -------------------------------------------------------------------------------------


def test_functions_are_listed_by_name_and_nothing_else_is() -> None:
    function("count.up")(count_up)

    @workflow
    async def counts(ctx: Context) -> None: ...

    assert get_registered_functions() == {"count.up": count_up}


def test_metadata_says_what_a_function_takes_and_gives_without_its_context() -> None:
    @function
    async def buy(ctx: Context, item: Item, count: int = 1, *more: str, note: str | None = None) -> None: ...

    assert get_function_metadata(buy) == {
        "name": "buy",
        "type": "function",
        "parameters": [
            {"name": "item", "type": "Item", "required": True},
            {"name": "count", "type": "int", "required": False, "default": 1},
            {"name": "note", "type": "str | None", "required": False, "default": None},
        ],
        "return_type": "None",
    }


def test_metadata_of_what_is_not_registered_is_refused() -> None:
    def stranger() -> None: ...

    with pytest.raises(RegistrationError, match="decorate it with @function"):
        get_function_metadata(stranger)


def test_the_registry_can_be_cleared_and_filled_again() -> None:
    function(count_up)
    clear_registry()
    function("count_up")(count_in_thread)

    assert get_registered_functions() == {"count_up": count_in_thread}
    assert REGISTRY.find(ComponentType.FUNCTION, "count_up") is component_of(count_in_thread)


def test_the_other_spelling_of_the_decorator_registers_too() -> None:
    from towpath import worker  # noqa: PLC0415 - as it is written in a program

    @worker.handler
    def analyze(data: dict[str, int]) -> int:
        return sum(data.values())

    assert execute_component("analyze", b'{"data": {"a": 1, "b": 2}}') == b"3"


# --- Trying one out -------------------------------------------------------------------------------------


def test_a_component_is_run_once_on_json_and_gives_json() -> None:
    attempts: list[int] = []

    @function
    def fails(ctx: Context) -> None:
        attempts.append(ctx.attempt)
        raise ValueError("as it is")

    function(count_up)

    with pytest.raises(ValueError, match="as it is"):
        execute_component("fails", b"")
    assert attempts == [1]
    assert json.loads(execute_component("count_up", b"3")) == [0, 1, 2]


def test_a_component_that_continues_as_new_is_executed_to_its_end() -> None:
    @workflow
    async def countdown(ctx: Context, left: int) -> str:
        if left:
            ctx.continue_as_new(left - 1)
        return "zero"

    assert execute_component(countdown.__name__, b"3") == b'"zero"'


def test_a_component_is_given_the_context_that_was_made_for_it() -> None:
    @function
    def who(ctx: Context) -> list[str]:
        return [ctx.run_id, ctx.invocation_id, ctx.component_type]

    context = LocalContext(run_id="run-7", component_type=ComponentType.FUNCTION)

    assert json.loads(execute_component("who", b"{}", context=context)) == ["run-7", "run-7", "function"]
    assert json.loads(execute_component("who", b"{}"))[2] == "function"


@pytest.mark.parametrize(
    ("name", "data", "error", "said"),
    [
        ("nobody", b"", ConfigurationError, "'nobody' is no component"),
        ("count_up", b"{", InvalidInputError, "the input of count_up is not JSON"),
        ("count_up", b'{"count": "x"}', InvalidInputError, "count: Input should be a valid integer"),
    ],
)
def test_what_cannot_be_run_is_refused(name: str, data: bytes, error: type[Exception], said: str) -> None:
    function(count_up)

    with pytest.raises(error, match=said):
        execute_component(name, data)


async def test_inside_a_running_loop_it_says_what_to_await_instead() -> None:
    function(count_up)

    with pytest.raises(RuntimeError, match=r"await `towpath\.local\.run"):
        execute_component("count_up", b"3")
