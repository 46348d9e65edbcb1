"""Operations of a real HTTP service, as tools."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from towpath import Agent, LocalContext, ToolCall, tool_call
from towpath.errors import ConfigurationError
from towpath.models.port import ModelRequest
from towpath.models.scripted import script
from towpath.tools.calls import ToolOutcome
from towpath.tools.openapi.openapi_tool import OpenAPITool
from towpath.tools.openapi.requests import close_client
from towpath.tools.results import tool_result
from towpath_testkit.http_service import SPEC_3_0, SPEC_YAML, http_service
from towpath_testkit.web import serving

Asking = Callable[..., Coroutine[Any, Any, ToolOutcome]]


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "pets.yaml"
    path.write_text(SPEC_YAML)
    return path


@pytest.fixture
async def url() -> AsyncGenerator[str]:
    async with serving(http_service(), lifespan="off") as url:
        yield url
        await close_client()


@pytest.fixture
def ask(spec: Path, url: str) -> Asking:
    async def asked(operation: str, /, auth: Any = None, **arguments: Any) -> ToolOutcome:
        (made,) = OpenAPITool.from_spec(
            spec, [operation], base_url=f"{url}/v1", auth=auth, headers={"X-Always": "yes"}
        )
        return await LocalContext().invoke_tool(made, ToolCall(id="c1", name=made.name, arguments=arguments))

    return asked


async def told(outcome: Coroutine[Any, Any, ToolOutcome]) -> Any:
    ended = await outcome
    assert ended.error is None, ended.error
    return ended.content


# --- What is made of a document -----------------------------------------------------------------------


def test_operations_are_named_described_and_typed(spec: Path) -> None:
    listed, added, unnamed = OpenAPITool.from_spec(spec, ["pets/list", "addPet", "GET /pets/{petId}"])

    assert [one.name for one in (listed, added, unnamed)] == ["pets_list", "addPet", "get_pets_petId"]
    assert listed.description == "List pets.\n\nNewest first."
    assert listed.input_schema["properties"]["limit"] == {"type": "integer", "minimum": 1}
    assert listed.input_schema["properties"]["tags"]["description"] == "Any of them."
    name = {"type": "string", "minLength": 1}
    assert added.input_schema == {
        "type": "object",
        "properties": {
            "body": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": name, "owner": {"type": "object", "properties": {"name": name}}},
            }
        },
        "required": ["body"],
    }
    assert unnamed.input_schema["required"] == ["petId"]


def test_version_3_0_is_read_as_json_schema() -> None:
    (added,) = OpenAPITool.from_spec(SPEC_3_0, base_url="http://pets.invalid", name="old")

    assert added.name == "old_addPet"
    assert added.input_schema["properties"]["body"]["properties"] == {
        "name": {"type": ["string", "null"]},
        "age": {"type": "number", "exclusiveMinimum": 0},
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"operations": ["pets/lst"]}, "no operation 'pets/lst'; there is: pets/list"),
        (
            {"operations": ["plant"]},
            "POST /trees: the schema #/components/schemas/Tree -> .* refers to itself",
        ),
        ({"operations": ["answer"], "variables": {"scheme": "ftp"}}, "'scheme' is one of http, https"),
        ({"operations": ["answer"], "auth": {"Other": "k"}}, "no security scheme 'Other'; there is: Key"),
        (
            {"spec_url": {"swagger": "2.0"}},
            "no OpenAPI document of version 3.0 or 3.1: it has no openapi field",
        ),
        ({"spec_url": "nowhere.json"}, "nowhere.json cannot be read"),
        ({"spec_url": "http://127.0.0.1:9/spec"}, "http://127.0.0.1:9/spec cannot be fetched"),
        ({"spec_url": SPEC_3_0}, "the server '/v1', relative to nothing; give base_url"),
    ],
)
def test_what_cannot_be_a_tool_is_refused_with_a_remedy(
    spec: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        OpenAPITool.from_spec(change.pop("spec_url", spec), **change)


async def test_a_document_of_the_service_says_where_the_service_is(url: str) -> None:
    (added,) = await asyncio.to_thread(OpenAPITool.from_spec, f"{url}/openapi.json", ["addPet"])
    call = ToolCall(id="c1", name="addPet", arguments={"body": {"name": None}})

    outcome = await LocalContext().invoke_tool(added, call)

    assert (outcome.content["path"], outcome.content["body"]) == ("/v1/pets", '{"name":null}')


# --- What is asked ------------------------------------------------------------------------------------


async def test_parameters_are_written_in_their_styles(ask: Asking) -> None:
    said = await told(
        ask(
            "pets/list",
            limit=2,
            tags=["a b", "c&d"],
            ids=[1, 2],
            sizes=["s", "m"],
            filter={"age": 3},
            where={"x": [True]},
            session="s1",
            **{"X-Trace": "t1\r\nX-Evil: 1"},
        )
    )

    assert said["query"] == (
        "limit=2&tags=a%20b&tags=c%26d&ids=1%2C2&sizes=s%7Cm&filter%5Bage%5D=3&where=%7B%22x%22%3A%5Btrue%5D%7D"
    )
    assert said["headers"] == {"x-trace": "t1%0D%0AX-Evil: 1", "x-always": "yes"}
    assert said["cookies"] == {"session": "s1"}


async def test_parts_of_the_path_are_encoded(ask: Asking) -> None:
    styled = await told(ask("styled", ids=[3, 4], label_path=["a", "b"], label_query="q"))

    assert (await told(ask("GET /pets/{petId}", petId="a/b ?é")))["path"] == "/v1/pets/a%2Fb%20%3F%C3%A9"
    assert (styled["path"], styled["query"]) == ("/v1/matrix;ids=3;ids=4/.a,b", "label=q")
    climbing = await ask("GET /pets/{petId}", petId="..")
    assert climbing.error is not None
    assert "would lead to another path" in climbing.error.message


async def test_bodies_are_json_or_forms(ask: Asking) -> None:
    added = await told(ask("addPet", body={"name": "Rex", "owner": {"name": "Ada"}}))
    renamed = await told(ask("rename", petId="1", body={"name": "Rex & Co", "tags": ["a", "b"]}))

    assert (added["method"], added["body"]) == ("POST", '{"name":"Rex","owner":{"name":"Ada"}}')
    assert added["headers"]["content-type"] == "application/json"
    assert (renamed["method"], renamed["body"]) == ("PUT", "name=Rex+%26+Co&tags=a&tags=b")


async def test_arguments_are_held_against_the_document_before_anything_is_sent(ask: Asking) -> None:
    outcome = await ask("addPet", body={"owner": {"name": ""}})

    assert outcome.error is not None
    assert outcome.error.code == "invalid_input"
    assert "body: 'name' is a required property" in outcome.error.message
    assert "body.owner.name: '' should be non-empty" in outcome.error.message


@pytest.mark.parametrize(
    ("operation", "auth", "headers", "query"),
    [
        ("addPet", {"Key": "k1"}, {"x-key": "k1"}, ""),
        ("addPet", "k1", {"x-key": "k1"}, ""),
        ("addPet", None, {}, ""),
        ("rename", {"Key": "k1", "QueryKey": "q1"}, {"x-key": "k1"}, "key=q1"),
        ("rename", {"Key": "k1"}, {}, ""),
        ("GET /pets/{petId}", {"Token": "t1"}, {"authorization": "Bearer t1"}, ""),
        ("GET /pets/{petId}", {"Password": ("ada", "pw")}, {"authorization": "Basic YWRhOnB3"}, ""),
    ],
)
async def test_credentials_go_where_the_document_says(
    ask: Asking, operation: str, auth: Any, headers: dict[str, str], query: str
) -> None:
    arguments: dict[str, Any] = {"body": {"name": "x"}} if operation == "addPet" else {"petId": "1"}

    said = await told(ask(operation, auth, **arguments))

    sent = {name: value for name, value in said["headers"].items() if name in {"x-key", "authorization"}}
    assert (sent, said["query"]) == (headers, query)


# --- What is answered ---------------------------------------------------------------------------------


async def test_answers_are_text_bytes_or_nothing(ask: Asking) -> None:
    assert await told(ask("answer", kind="text")) == "größer"
    assert await told(ask("answer", kind="bytes")) == "AP8="
    assert await told(ask("answer", kind="nothing")) == ""


async def test_errors_are_told_with_their_status(ask: Asking) -> None:
    unknown, busy, moved = [await ask("answer", kind=kind) for kind in ("cat", "busy", "moved")]

    assert tool_result(unknown)["content"] == [
        {"text": 'Error: GET /answers/{kind} was answered with 404 Not Found: {"error":"no cat"}'}
    ]
    assert busy.error is not None
    assert busy.error.retry_after_s == 7
    assert moved.error is not None
    assert "it has moved to http://elsewhere.invalid/" in moved.error.message


async def test_a_service_that_is_not_there_is_named(spec: Path) -> None:
    (made,) = OpenAPITool.from_spec(spec, ["answer"], base_url="http://127.0.0.1:9")

    call = ToolCall(id="c1", name="answer", arguments={"kind": "x"})
    outcome = await LocalContext().invoke_tool(made, call)
    await close_client()

    assert outcome.error is not None
    assert "http://127.0.0.1:9 cannot be reached" in outcome.error.message


async def test_an_agent_uses_a_service(spec: Path, url: str) -> None:
    def heard(asked: ModelRequest) -> str:
        return asked.messages[-1].content

    script("reader", [tool_call("answer", kind="text"), heard])
    tools = OpenAPITool.from_spec(spec, operations=["answer"], base_url=f"{url}/v1")

    assert (await Agent(model="test/reader", tools=tools).run("Read")).output == "größer"
