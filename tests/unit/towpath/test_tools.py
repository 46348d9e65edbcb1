"""What a tool tells the model, and what becomes of its calls."""

from typing import Any

import pytest
from pydantic import BaseModel

from towpath import Context, LocalContext, RetryPolicy, Tool, ToolCall, tool
from towpath.components import REGISTRY, ComponentType
from towpath.errors import RegistrationError


class Address(BaseModel):
    city: str


def called(**arguments: Any) -> ToolCall:
    return ToolCall(id="c1", name="it", arguments=arguments)


@tool
async def find(ctx: Context, query: str, limit: int = 3) -> list[str]:
    """Find documents.

    Args:
        ctx: Never shown.
        query: What to look for.
    """
    return [query] * limit


def test_the_model_is_told_name_summary_and_described_parameters() -> None:
    assert (find.name, find.description) == ("find", "Find documents.")
    assert find.input_schema == {
        "type": "object",
        "properties": {
            "query": {"type": "string", "description": "What to look for."},
            "limit": {"type": "integer", "default": 3},
        },
        "required": ["query"],
    }


def test_all_spellings_make_a_registered_tool() -> None:
    def add(a: int, b: int) -> int:
        return a + b

    made = [
        tool(add),
        tool()(add),
        tool(auto_schema=True)(add),
        tool.function(auto_schema=True)(add),
        tool.function(add),
        tool(name="plus", description="Adds.")(add),
    ]

    assert [one.name for one in made] == ["add", "add", "add", "add", "add", "plus"]
    assert made[-1].description == "Adds."
    assert all(one(2, b=3) == 5 for one in made)
    assert REGISTRY.find(ComponentType.TOOL, "plus") is made[-1].component


def test_a_schema_of_ones_own_takes_the_place_of_the_types() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}

    @tool(auto_schema=False, input_schema=schema)
    def add(a: int) -> int:
        return a

    assert add.input_schema == schema
    with pytest.raises(RegistrationError, match="needs an input_schema"):
        tool(auto_schema=False)


def test_two_tools_of_one_name_are_refused_where_they_would_be_found_by_it() -> None:
    tool(name="same")(lambda: 1)
    tool(name="same")(lambda: 2)

    with pytest.raises(RegistrationError, match="several tools are named 'same'"):
        REGISTRY.check()


def test_a_tool_says_how_it_may_be_tried() -> None:
    once = tool(name="once")(lambda: 1).component
    often = tool(name="often", retry=RetryPolicy(max_attempts=4), timeout_s=2)(lambda: 1).component
    safe = tool(name="safe", idempotent=True)(lambda: 1).component

    assert (once.retry.max_attempts, once.idempotent, once.timeout_s) == (1, False, None)
    assert (often.retry.max_attempts, often.idempotent, often.timeout_s) == (4, True, 2)
    assert safe.idempotent


async def test_a_call_gives_its_result_as_json() -> None:
    def locate(address: Address, tags: frozenset[str] = frozenset()) -> Address:
        assert isinstance(address, Address)
        return address

    outcome = await Tool("it", "", None, locate).execute(LocalContext(), called(address={"city": "Utrecht"}))

    assert (outcome.call_id, outcome.content, outcome.error) == ("c1", {"city": "Utrecht"}, None)


def unchanged(given: dict[str, Any]) -> dict[str, Any]:
    return given


async def test_a_handler_with_one_parameter_may_take_the_whole_object() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}

    outcome = await Tool("it", "", schema, unchanged).execute(None, called(a=1, b=2))

    assert outcome.content == {"a": 1, "b": 2}


def fails(query: str) -> str:
    raise ValueError(f"no such stock: {query}")


def holds_itself(query: str) -> Any:
    loop: list[Any] = [query]
    loop.append(loop)
    return loop


@pytest.mark.parametrize(
    ("handler", "arguments", "code", "message"),
    [
        (fails, {"query": "X"}, "user_error", "no such stock: X"),
        (fails, {}, "invalid_input", "query: Field required"),
        (fails, {"q": "X"}, "invalid_input", "query: Field required"),
        (fails, '{"query": "X', "invalid_input", "the arguments are not a JSON object"),
        (holds_itself, {"query": "X"}, "not_serialisable", "cannot be written as JSON"),
    ],
)
async def test_what_goes_wrong_is_an_outcome_for_the_model(
    handler: Any, arguments: Any, code: str, message: str
) -> None:
    made = Tool("it", "", None, handler)

    outcome = await made.execute(None, ToolCall(id="c1", name="it", arguments=arguments))

    assert outcome.error is not None
    assert outcome.error.code == code
    assert message in outcome.error.message
