"""What functions are told and tell as tools: schemas, descriptions, what is injected, what comes back."""

import contextvars
import threading
from base64 import b64encode
from collections.abc import AsyncGenerator, Callable, Generator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from towpath import Agent, Context, LocalContext, Tool, ToolCall, tool, tool_call
from towpath.errors import RegistrationError
from towpath.models.port import ModelRequest
from towpath.models.scripted import script
from towpath.testing import VirtualPlatform
from towpath.tools.calls import ToolOutcome
from towpath.tools.function_tool import tool_of
from towpath.tools.results import tool_result
from towpath.tools.tool_context import ToolContext, calling


async def outcome_of(handler: Callable[..., Any] | Tool, **arguments: Any) -> ToolOutcome:
    made = handler if isinstance(handler, Tool) else tool_of(handler, name="it")
    call = ToolCall(id="c1", name=made.name, arguments=arguments)
    return await LocalContext().invoke_tool(made, call)


async def content_of(handler: Callable[..., Any] | Tool, **arguments: Any) -> Any:
    outcome = await outcome_of(handler, **arguments)
    assert outcome.error is None, outcome.error
    return outcome.content


# --- What the model is told ---------------------------------------------------------------------------


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Place(BaseModel):
    city: str


@dataclass
class Size:
    width: int


def many(  # noqa: PLR0917 - as models see it
    noted: Annotated[int, "how many"],
    limited: Annotated[int, Field(ge=1, description="at least one")],
    place: Place,
    size: Size,
    data: bytes,
    colour: Colour = Colour.RED,
    mode: Literal["fast", "slow"] = "fast",
    until: date | None = None,
) -> str:
    assert isinstance(place, Place)
    assert isinstance(size, Size)
    return f"{noted} {limited} {place.city} {size.width} {data!r} {colour.name} {mode} {until}"


def test_types_are_shown_as_they_are_written() -> None:
    shown = tool_of(many).input_schema["properties"]

    assert shown["noted"] == {"type": "integer", "description": "how many"}
    assert shown["limited"] == {"type": "integer", "minimum": 1, "description": "at least one"}
    assert shown["place"] == {"$ref": "#/$defs/Place"}
    assert shown["data"] == {"type": "string", "contentEncoding": "base64"}
    assert shown["colour"] == {"$ref": "#/$defs/Colour", "default": "red"}
    assert shown["mode"] == {"type": "string", "enum": ["fast", "slow"], "default": "fast"}
    assert shown["until"] == {"type": "string", "format": "date"}


async def test_arguments_arrive_as_what_they_are_annotated_with() -> None:
    given = {"place": {"city": "Delft", "more": 1}, "size": {"width": 2}, "data": b64encode(b"\xff").decode()}

    said = await content_of(many, noted="1", limited=2, colour="blue", until=None, invented=True, **given)

    assert said == "1 2 Delft 2 b'\\xff' BLUE fast None"


def documented(query: str) -> None:
    """Search.

    More about it.

    Args:
        query: What to look for,
            over two lines.

            And a paragraph.

    Returns:
        A list.

    Raises:
        ValueError: Never.
    """


def in_numpy_style(query: str) -> None:
    """Search.

    Parameters
    ----------
    query : str
        What to look for.

    Returns
    -------
    list
        What was found.
    """


def in_rest_style(query: str) -> None:
    """Search.

    :param query: What to look for,
        over two lines.
    :returns: A list.
    """


@pytest.mark.parametrize(
    ("function", "description"),
    [
        (documented, "Search.\n\nMore about it.\n\nReturns:\n    A list.\n\nRaises:\n    ValueError: Never."),
        (in_numpy_style, "Search.\n\nReturns\n-------\nlist\n    What was found."),
        (in_rest_style, "Search.\n\n:returns: A list."),
        (lambda: None, ""),
    ],
)
def test_the_description_is_the_docstring_without_its_parameters(
    function: Callable[..., Any], description: str
) -> None:
    made = tool_of(function, name="search")

    assert made.description == description
    assert "look for" in str(made.input_schema) or not description


def test_with_auto_schema_the_description_is_the_summary() -> None:
    assert tool(auto_schema=True, name="one")(documented).description == "Search."
    assert tool(auto_schema=True, name="two", description="Find.")(documented).description == "Find."


def test_the_other_names_of_things_are_the_same_things() -> None:
    schema = {"type": "object", "properties": {"query": {"type": "string"}}}
    made = tool(name="other", inputSchema={"json": schema})(in_rest_style)

    assert (made.tool_name, made.input_schema) == ("other", schema)
    assert made.tool_spec == {
        "name": "other",
        "description": "Search.\n\n:returns: A list.",
        "inputSchema": {"json": schema},
    }
    with pytest.raises(TypeError, match="input_schema and inputSchema are the same"):
        tool(input_schema=schema, inputSchema=schema)


async def test_a_schema_of_ones_own_is_held_against_the_arguments() -> None:
    schema = {
        "type": "object",
        "properties": {"query": {"type": "string", "minLength": 1}, "filters": {"type": "object"}},
        "required": ["query"],
    }

    def search(query: str, filters: dict[str, Any] | None = None) -> str:
        return query

    made = Tool("search", "Search for information", schema, search)
    short = await outcome_of(made, query="", filters=3)

    assert await content_of(made, query="boats") == "boats"
    assert short.error is not None
    assert short.error.message == (
        "search does not take this input: query: '' should be non-empty; filters: 3 is not of type 'object'"
    )
    with pytest.raises(RegistrationError, match="its input_schema is none: type"):
        Tool("bad", "", {"type": "thing"}, search)


# --- What is injected ---------------------------------------------------------------------------------

USE = {"toolUseId": "u1", "name": "it", "input": {"x": 1}}


async def with_everything(x: int, agent: Any, ctx: Context, given: ToolContext) -> list[Any]:
    return [x, agent, ctx.run_id, given.tool_use["toolUseId"], given.invocation_state]


def with_names(ctx: Any, x: int, tool_context: Any, agent: Any) -> list[Any]:
    return [x, agent, ctx.run_id, tool_context.tool_use["toolUseId"], tool_context.invocation_state]


@pytest.mark.parametrize("handler", [with_everything, with_names])
async def test_context_call_and_agent_are_injected_by_type_or_name(handler: Callable[..., Any]) -> None:
    made, context = tool_of(handler, name="it"), LocalContext()
    call = ToolCall(id="u1", name="it", arguments={"x": 1})

    with calling(ToolContext(USE, "the agent", {"user": "ada"})):
        outcome = await context.invoke_tool(made, call)

    assert [*made.input_schema["properties"]] == ["x"]
    assert outcome.content == [1, "the agent", context.run_id, "u1", {"user": "ada"}]


async def test_context_names_the_parameter_that_is_given_the_call() -> None:
    @tool(context="about")
    def named(about: Any, x: int) -> Any:
        return about.tool_use["input"]

    @tool(context=True)
    def usual(tool_context: Any, x: int) -> Any:
        return tool_context.tool_use["input"]

    assert await content_of(named, x=1) == await content_of(usual, x=1) == {"x": 1}
    with pytest.raises(RegistrationError, match="asks for a parameter 'tool_context'; add it"):
        tool(context=True)(documented)


async def test_a_parameter_that_json_can_be_read_as_is_input_whatever_its_name() -> None:
    def book(agent: str, tool_context: int) -> str:
        return f"{agent} {tool_context}"

    assert await content_of(book, agent="KLM", tool_context=2) == "KLM 2"


async def test_a_tool_away_from_its_agent_is_told_why_there_is_none() -> None:
    def ask(agent: Any) -> str:
        return agent.name

    outcome = await outcome_of(ask)

    assert outcome.error is not None
    assert "its agent is not in this process" in outcome.error.message


async def test_what_a_tool_calls_is_not_given_the_tools_own_call() -> None:
    @tool
    def inner(tool_context: ToolContext) -> str:
        return str(tool_context.tool_use["toolUseId"])

    @tool
    async def outer(ctx: Context, tool_context: ToolContext) -> list[str]:
        ctx.tools.offer([inner])
        return [tool_context.tool_use["toolUseId"], await ctx.tools.handler("inner")()]

    with calling(ToolContext(USE)):
        outcome = await LocalContext().invoke_tool(outer, ToolCall(id="u1", name="outer"))

    mine, other = outcome.content
    assert (mine, other) == ("u1", other)
    assert other != "u1"


# --- How they run, and what comes back ----------------------------------------------------------------


async def test_a_sync_tool_runs_in_a_thread_that_sees_context_variables() -> None:
    user: contextvars.ContextVar[str] = contextvars.ContextVar("user", default="nobody")
    user.set("ada")

    def whose() -> list[Any]:
        return [user.get(), threading.current_thread() is threading.main_thread()]

    assert await content_of(whose) == ["ada", False]


async def counts(to: int) -> AsyncGenerator[int]:
    for number in range(to):
        yield number


def counts_in_a_thread(to: int) -> Generator[int]:
    yield from range(to)


@pytest.mark.parametrize("handler", [counts, counts_in_a_thread])
async def test_what_a_tool_yields_is_heard_and_the_last_is_its_result(handler: Callable[..., Any]) -> None:
    heard: list[int] = []

    with calling(ToolContext(USE, listener=heard.append)):
        content = await content_of(handler, to=3)

    assert (heard, content) == ([0, 1, 2], 2)
    assert tool_of(handler).component.output_schema == {"type": "integer"}


class Road(BaseModel):
    towns: set[str]


class Thing:
    def __str__(self) -> str:
        return "a thing"


@pytest.mark.parametrize(
    ("returned", "content", "text"),
    [
        ("as it is", "as it is", "as it is"),
        (Place(city="Delft"), {"city": "Delft"}, '{"city":"Delft"}'),
        (Size(2), {"width": 2}, '{"width":2}'),
        ({"größe": [1, None]}, {"größe": [1, None]}, '{"größe":[1,null]}'),
        ({"page": [b"\xff\x00"]}, {"page": ["/wA="]}, '{"page":["/wA="]}'),
        ({"page": Thing()}, {"page": "a thing"}, '{"page":"a thing"}'),
        (
            {"of": Thing(), "in": set("edcba")},
            {"of": "a thing", "in": [*"abcde"]},
            '{"of":"a thing","in":["a","b","c","d","e"]}',
        ),
        (
            [Thing(), Road(towns=set("edcba"))],
            ["a thing", {"towns": [*"abcde"]}],
            '["a thing",{"towns":["a","b","c","d","e"]}]',
        ),
        ([{b"\xff\x00", b"a"}], [["YQ==", "/wA="]], '[["YQ==","/wA="]]'),
        (None, None, "null"),
    ],
)
async def test_what_a_tool_returns_reaches_the_model(returned: Any, content: Any, text: str) -> None:
    outcome = await outcome_of(lambda: returned)

    assert outcome.content == content
    assert tool_result(outcome) == {"toolUseId": "c1", "status": "success", "content": [{"text": text}]}


async def test_a_tool_may_write_its_result_itself() -> None:
    written = {"status": "error", "content": [{"text": "no"}, {"json": {"a": 1}}]}

    outcome = await outcome_of(lambda: written)

    assert tool_result(outcome) == {"toolUseId": "c1", **written}


def raises(error: Exception) -> Callable[[], Any]:
    def handler() -> Any:
        raise error

    return handler


@pytest.mark.parametrize(
    ("handler", "text"),
    [
        (
            many,
            "Error: Validation failed for input parameters: it does not take this input: noted: Field required",
        ),
        (raises(ValueError("no such stock")), "Error: no such stock"),
        (raises(KeyError("X")), "Error: KeyError - 'X'"),
    ],
)
async def test_what_goes_wrong_is_told_as_the_model_knows_it(handler: Callable[..., Any], text: str) -> None:
    result = tool_result(await outcome_of(handler))

    assert result["status"] == "error"
    assert result["content"][0]["text"].startswith(text)


async def test_on_a_tool_runner_a_tool_has_its_call_but_no_agent_and_only_its_result_travels() -> None:
    @tool
    async def about(tool_context: ToolContext, x: int) -> AsyncGenerator[Any]:
        yield "begun"
        yield [tool_context.tool_use["name"], tool_context.tool_use["input"], tool_context.has_agent]

    def heard(asked: ModelRequest) -> str:
        return asked.messages[-1].content

    script("asker", [tool_call("about", x=1), heard])
    agent = Agent(name="asker", model="test/asker", tools=[about])

    async with VirtualPlatform() as platform:
        result = await platform.run(agent, "Go")

    assert result["output"] == '["about",{"x":1},false]'
