"""Configuration, secrets, request headers and tools, as a component sees them in this process."""

import copy
import json
import logging
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from towpath import Context, LocalContext, Tool, ToolCall, function, tool
from towpath.errors import (
    ComponentError,
    ConfigurationError,
    ContextError,
    InvalidInputError,
    NotSerialisableError,
    RegistrationError,
)
from towpath.failures import failure_of
from towpath.secrecy import SecretValue, redacted, redacted_json
from towpath.values import to_json_value
from towpath_schemas.attribution import Attribution
from towpath_schemas.failure import Failure

KEY = "sk-live-3f9c\n\"quoted'"


@pytest.fixture
def context() -> LocalContext:
    return LocalContext()


@pytest.fixture
def api_key(context: LocalContext, monkeypatch: pytest.MonkeyPatch) -> SecretValue:
    monkeypatch.setenv("TOWPATH_SECRET_API_KEY", KEY)
    return context.secrets().get("api_key")


# --- Configuration ----------------------------------------------------------------------------------


def test_a_value_that_is_not_set_is_the_default(context: LocalContext) -> None:
    config = context.config()

    assert config.get("limit") is None
    assert (config.get("limit", default=5), config.get("limit", 6)) == (5, 6)
    assert config.variant("colour", default="grey") == "grey"


@pytest.mark.parametrize(
    ("written", "default", "read"),
    [
        ("true", False, True),
        ("on", False, True),
        ("12", 5, 12),
        ("0.5", 1, 0.5),
        ("12", None, 12),
        ("1.10", "1.0", "1.10"),
        ("123", "5", "123"),
        ("plain text", None, "plain text"),
        ('{"a": [1]}', {}, {"a": [1]}),
        ("[1, 2]", None, [1, 2]),
    ],
)
def test_a_variable_is_read_with_the_type_of_the_default(
    context: LocalContext, monkeypatch: pytest.MonkeyPatch, written: str, default: Any, read: Any
) -> None:
    monkeypatch.setenv("TOWPATH_CONFIG_ORDERS_MAX_ITEMS", written)

    assert context.config().get("orders.max-items", default=default) == read


def test_a_value_that_does_not_fit_its_default_is_refused_by_name(
    context: LocalContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOWPATH_CONFIG_LIMIT", "many")

    with pytest.raises(
        ConfigurationError, match=r"'limit' is 'many', which is no int.* TOWPATH_CONFIG_LIMIT"
    ):
        context.config().get("limit", default=5)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("c.json", '{"limit": 7, "orders": {"max": 3}, "a.b": 1}'),
        ("c.toml", 'limit = 7\n"a.b" = 1\n[orders]\nmax = 3\n'),
    ],
)
def test_values_may_be_in_a_file_and_variables_come_first(
    context: LocalContext, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, file: str, text: str
) -> None:
    (tmp_path / file).write_text(text)
    monkeypatch.setenv("TOWPATH_CONFIGURATION_FILE", str(tmp_path / file))
    config = context.config()

    assert (config.get("limit"), config.get("orders.max"), config.get("a.b")) == (7, 3, 1)
    assert config.get("orders.min.none", default=0) == 0
    monkeypatch.setenv("TOWPATH_CONFIG_LIMIT", "9")
    assert config.get("limit") == 9


@pytest.mark.parametrize("text", ["[1]", "{", None])
def test_a_file_that_cannot_be_read_is_named(
    context: LocalContext, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str | None
) -> None:
    if text is not None:
        (tmp_path / "c.json").write_text(text)
    monkeypatch.setenv("TOWPATH_CONFIGURATION_FILE", str(tmp_path / "c.json"))

    with pytest.raises(ConfigurationError, match=r"TOWPATH_CONFIGURATION_FILE=.*c\.json' cannot be read"):
        context.config().get("limit")


def test_changing_what_was_read_changes_no_configuration(
    context: LocalContext, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "c.json").write_text('{"colours": ["red"]}')
    monkeypatch.setenv("TOWPATH_CONFIGURATION_FILE", str(tmp_path / "c.json"))

    context.config().get("colours").append("blue")

    assert context.config().get("colours") == ["red"]


# --- Variants ---------------------------------------------------------------------------------------


def of_user(user: str) -> LocalContext:
    return LocalContext(attribution=Attribution(tenant="acme", user_id=user))


def test_a_variant_may_be_named_for_all(context: LocalContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOWPATH_CONFIG_CHECKOUT", "treatment")

    assert context.config().variant("checkout", default="control") == "treatment"


def test_a_split_gives_each_user_one_variant_and_each_variant_its_share(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TOWPATH_CONFIG_CHECKOUT", '{"control": 3, "treatment": 1, "never": 0}')
    users = [f"user-{number}" for number in range(2_000)]

    first = [of_user(user).config().variant("checkout") for user in users]
    again = [of_user(user).config().variant("checkout") for user in users]

    assert first == again
    shares = Counter(first)
    assert set(shares) == {"control", "treatment"}
    assert shares["treatment"] == pytest.approx(500, abs=80)


def test_runs_of_nobody_have_variants_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOWPATH_CONFIG_CHECKOUT", '{"control": 1, "treatment": 1}')

    assert {LocalContext().config().variant("checkout") for _ in range(50)} == {"control", "treatment"}


@pytest.mark.parametrize("said", ["5", "[1]", "{}", '{"a": 0}', '{"a": -1, "b": 2}', '{"a": "x"}'])
def test_what_is_no_split_is_refused(
    context: LocalContext, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    monkeypatch.setenv("TOWPATH_CONFIG_CHECKOUT", said)

    with pytest.raises(ConfigurationError, match=r"the variants 'checkout' are .* or their weights"):
        context.config().variant("checkout")


# --- Secrets ----------------------------------------------------------------------------------------


def test_a_secret_is_text_that_does_not_show_itself(api_key: SecretValue) -> None:
    assert (api_key, f"Bearer {api_key}") == (KEY, f"Bearer {KEY}")
    assert repr(api_key) == repr(copy.deepcopy(api_key)) == "SecretValue('api_key')"


def test_a_secret_may_be_in_a_file_and_a_variable_comes_first(
    context: LocalContext, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TOWPATH_SECRETS_DIR", str(tmp_path))
    (tmp_path / "database.password").write_text("correct horse\n")
    (tmp_path / "empty").write_text("\n")

    assert context.secrets().get("database.password") == "correct horse"
    assert context.secrets().get("empty", default=None) is None
    monkeypatch.setenv("TOWPATH_SECRET_DATABASE_PASSWORD", "battery staple")
    assert context.secrets().get("database.password") == "battery staple"


def test_a_secret_that_is_not_set_is_an_error_with_the_remedy(context: LocalContext) -> None:
    with pytest.raises(
        ConfigurationError, match=r"set TOWPATH_SECRET_DB_KEY, or put the file db\.key into TOW"
    ):
        context.secrets().get("db.key")
    assert context.secrets().get("db.key", None) is None


@pytest.mark.parametrize("name", ["../passwd", "", "a/b", ".hidden", "a\x00"])
def test_a_secret_cannot_be_named_like_a_path(context: LocalContext, name: str) -> None:
    with pytest.raises(ConfigurationError, match="is no name of a secret"):
        context.secrets().get(name)


def test_a_secrets_file_that_cannot_be_read_is_named(
    context: LocalContext, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TOWPATH_SECRETS_DIR", str(tmp_path))
    (tmp_path / "folder").mkdir()

    with pytest.raises(ConfigurationError, match="the secret 'folder' in TOWPATH_SECRETS_DIR cannot be read"):
        context.secrets().get("folder")


HOLDERS: dict[str, Callable[[str], Any]] = {
    "itself": str,
    "text": "Bearer {}".format,
    "name": lambda key: {key: 1},
    "items": lambda key: [{"a": key}],
}


@pytest.mark.parametrize("hold", HOLDERS.values(), ids=HOLDERS)
def test_what_holds_a_secret_is_not_written_down(api_key: SecretValue, hold: Callable[[str], Any]) -> None:
    with pytest.raises(
        NotSerialisableError, match=r"holds the secret 'api_key'.*ctx\.secrets\(\)\.get"
    ) as raised:
        to_json_value({"headers": hold(api_key)})

    assert KEY not in str(raised.value)
    assert "headers" in str(raised.value)


def test_a_short_secret_is_refused_as_it_is_but_other_text_is_not_searched_for_it(
    context: LocalContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOWPATH_SECRET_PIN", "1234")
    pin = context.secrets().get("pin")

    assert to_json_value("12345") == "12345"
    with pytest.raises(NotSerialisableError):
        to_json_value(pin)
    assert redacted(pin) == "[secret pin]"


@pytest.mark.usefixtures("api_key")
def test_a_secret_is_hidden_however_it_is_quoted() -> None:
    for written in (KEY, json.dumps({"key": KEY}), repr([KEY])):
        assert "sk-live" not in redacted(written)
    assert redacted_json({KEY: [1, None, f"a {KEY} b"]}) == {
        "[secret api_key]": [1, None, "a [secret api_key] b"]
    }


async def test_a_step_that_returns_a_secret_fails_for_good(
    context: LocalContext, api_key: SecretValue
) -> None:
    with pytest.raises(ComponentError, match="holds the secret 'api_key'") as raised:
        await context.step("read", lambda: {"key": str(api_key)})

    assert (raised.value.failure.code, raised.value.failure.retryable) == ("not_serialisable", False)


async def test_a_secret_goes_into_no_call_and_no_state(context: LocalContext, api_key: SecretValue) -> None:
    @function
    def call(key: str) -> None: ...

    with pytest.raises(NotSerialisableError, match="key holds the secret"):
        await context.task(call, input={"key": api_key})
    with pytest.raises(NotSerialisableError, match="holds the secret"):
        context.set("key", api_key)


SAID = f"{KEY} was refused"


@pytest.mark.usefixtures("api_key")
@pytest.mark.parametrize(
    "raised",
    [ValueError(SAID), ComponentError(Failure(code="user_error", message=SAID))],
    ids=["any", "its own"],
)
def test_a_failure_says_the_name_of_a_secret_in_its_place(raised: Exception) -> None:
    assert failure_of(raised).message == "[secret api_key] was refused"


@pytest.mark.usefixtures("api_key")
def test_a_log_line_says_the_name_of_a_secret_in_its_place(
    context: LocalContext, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "towpath"):
        context.log(f"calling with {KEY}", headers={"key": KEY})

    assert caplog.messages == [
        f"calling with [secret api_key] headers={{'key': '[secret api_key]'}} run_id={context.run_id}"
    ]


# --- Request headers --------------------------------------------------------------------------------


def test_headers_have_no_case(context: LocalContext) -> None:
    context.request_headers = {"User-Agent": "curl", "x-correlation-id": "7"}
    headers = context.headers()

    assert (headers["user-agent"], headers.get("X-CORRELATION-ID"), headers.get("none", "-")) == (
        "curl",
        "7",
        "-",
    )
    assert ("USER-AGENT" in headers, dict(headers)) == (True, {"user-agent": "curl", "x-correlation-id": "7"})
    assert repr(headers) == "Headers({'user-agent': 'curl', 'x-correlation-id': '7'})"


def test_a_script_has_no_headers(context: LocalContext) -> None:
    assert len(context.headers()) == 0


# --- Tools ------------------------------------------------------------------------------------------


async def search(query: str, max_results: int = 3) -> list[str]:
    """Search the web."""
    return [f"{query} {number}" for number in range(max_results)]


async def test_a_registered_tool_says_what_it_takes_and_does_it(context: LocalContext) -> None:
    made = context.tools.register("web_search", handler=search)

    assert isinstance(made, Tool)
    assert (made.name, made.description) == ("web_search", "Search the web.")
    assert set(made.input_schema["properties"]) == {"query", "max_results"}
    assert await context.tools.handler("web_search")(query="a", max_results=2) == ["a 0", "a 1"]


@pytest.mark.parametrize("option", ["schema", "input_schema"])
async def test_a_tool_may_be_described_by_hand(context: LocalContext, option: str) -> None:
    described = {"type": "object", "properties": {"query": {"type": "string"}}}

    made = context.tools.register("find", handler=search, description="Find.", **{option: described})

    assert (made.description, made.input_schema) == ("Find.", described)


def test_a_schema_has_one_name(context: LocalContext) -> None:
    with pytest.raises(TypeError, match="'find': schema and input_schema are the same"):
        context.tools.register("find", handler=search, schema={}, input_schema={})


async def test_a_handler_may_be_sync_and_take_the_context(context: LocalContext) -> None:
    def whose(ctx: Context, suffix: str) -> str:
        return f"{ctx.run_id}{suffix}:{ctx.step_id}"

    context.tools.register("whose", handler=whose)

    assert await context.tools.handler("whose")(suffix="!") == f"{context.run_id}!:tool:whose#0"


async def test_arguments_are_held_against_the_types_of_the_handler(context: LocalContext) -> None:
    context.tools.register("find", handler=search)

    with pytest.raises(ComponentError, match="max_results") as raised:
        await context.tools.handler("find")(query="a", max_results="many")

    assert raised.value.failure.error_type == InvalidInputError.__name__


async def test_tools_end_with_their_invocation_and_unknown_ones_are_named(context: LocalContext) -> None:
    context.tools.register("find", handler=search)

    with pytest.raises(ContextError, match="there is no tool 'fnid' here; there is: find"):
        context.tools.handler("fnid")
    with pytest.raises(ContextError, match="there is: none"):
        LocalContext().tools.handler("find")


def test_a_name_is_one_tools(context: LocalContext) -> None:
    context.tools.register("find", handler=search)
    context.tools.register("find", handler=search, description="Again.")

    with pytest.raises(RegistrationError, match="two tools are named 'find'"):
        context.tools.register("find", handler=lambda: None)


async def test_tools_that_are_given_to_a_model_can_be_handled_too(context: LocalContext) -> None:
    @tool
    def twice(a: int) -> int:
        return 2 * a

    offered = context.tools.offer([twice, [search]])

    assert [one.name for one in offered] == ["twice", "search"]
    call = ToolCall(id="1", name="twice", arguments={"a": 2})
    assert await context.tools.handler(call.name)(**call.arguments) == 4
    with pytest.raises(TypeError, match="7 is no tool"):
        context.tools.offer([7])
