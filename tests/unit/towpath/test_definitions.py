"""What the decorators make of functions, workflows and entities."""

import asyncio
import contextvars
import threading
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest

from towpath import Context, EntityType, entity, function, workflow
from towpath.components import REGISTRY, ComponentType
from towpath.definitions import component_of
from towpath.errors import ContextError, RegistrationError
from towpath.local import run
from towpath.retry import RetryPolicy

# --- Functions ------------------------------------------------------------------------------------


def test_all_spellings_register_and_return_the_function_itself() -> None:
    def body(name: str) -> str:
        return f"Hello, {name}!"

    decorators: dict[str, Callable[..., Any]] = {
        "body": function,
        "second": function("second"),
        "third": function(name="third"),
    }
    for name, decorate in decorators.items():
        assert decorate(body) is body
        assert REGISTRY.find(ComponentType.FUNCTION, name) is component_of(body)
    assert body("Alice") == "Hello, Alice!"


def test_parentheses_without_arguments_change_nothing() -> None:
    @function()
    def greet(name: str) -> str:
        """Greet a user by name."""
        return name

    described = REGISTRY.find(ComponentType.FUNCTION, "greet")

    assert described is not None
    assert described.description == "Greet a user by name."
    assert described.described().input_schema["required"] == ["name"]


def test_the_docstring_describes_function_and_parameters() -> None:
    @function
    def search(query: str) -> list[str]:
        """Search the
        archive.

        Longer words.

        Args:
            query: What to look
                for.
        """
        return [query]

    component = component_of(search)

    assert component is not None
    assert component.description == "Search the archive."
    assert component.input_schema["properties"]["query"]["description"] == "What to look for."


def test_the_same_function_may_be_registered_again_but_no_other_under_its_name() -> None:
    def first() -> None: ...
    def second() -> None: ...

    function("job")(first)
    function("job")(first)

    with pytest.raises(ValueError, match="a function named 'job' is registered already"):
        function("job")(second)


@pytest.mark.parametrize(
    ("said", "policy"),
    [
        ({}, RetryPolicy()),
        ({"retries": 5}, RetryPolicy(max_attempts=5)),
        ({"retries": 0}, RetryPolicy(max_attempts=1)),
        ({"retries": 2, "backoff": "linear"}, RetryPolicy(max_attempts=2, backoff="linear")),
        (
            {
                "retries": {"max_attempts": 5, "initial_interval_ms": 1000, "max_interval_ms": 30000},
                "backoff": {"type": "exponential", "multiplier": 3.0},
            },
            RetryPolicy(max_attempts=5, initial_interval_s=1, max_interval_s=30, multiplier=3),
        ),
        (
            {"retries": RetryPolicy(max_attempts=7), "backoff": "constant"},
            RetryPolicy(max_attempts=7, backoff="constant"),
        ),
    ],
)
def test_every_spelling_of_a_retry_policy_is_understood(said: dict[str, Any], policy: RetryPolicy) -> None:
    @function(**said)
    def fetch() -> None: ...

    component = component_of(fetch)

    assert component is not None
    assert component.retry == policy


@pytest.mark.parametrize(
    "said", [{"retries": {"attempts": 3}}, {"backoff": "soon"}, {"backoff": {"factor": 2}}]
)
def test_a_misspelt_retry_policy_is_refused(said: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="RetryPolicy"):
        function(**said)


@pytest.mark.parametrize(
    ("said", "idempotent"),
    [
        ({}, True),
        ({"retries": 1}, False),
        ({"retries": 1, "idempotent": True}, True),
        ({"idempotent": False}, False),
    ],
)
def test_a_function_may_be_repeated_where_it_is_retried_unless_it_says(
    said: dict[str, Any], *, idempotent: bool
) -> None:
    @function(timeout_ms=1500, **said)
    def act() -> None: ...

    component = component_of(act)

    assert component is not None
    assert (component.idempotent, component.timeout_s) == (idempotent, 1.5)


def written(method: Callable[..., Any]) -> Callable[..., Any]:
    return entity("Streaming").write(method)


STREAMLESS: list[Callable[..., Any]] = [workflow, written]


@pytest.mark.parametrize("decorate", STREAMLESS, ids=["workflow", "entity"])
def test_what_is_neither_function_nor_tool_does_not_yield(decorate: Callable[..., Any]) -> None:
    async def stream(ctx: Context, count: int) -> AsyncGenerator[int]:
        yield count

    with pytest.raises(
        RegistrationError, match="stream yields; only functions stream, return a list instead"
    ):
        decorate(stream)


mood: contextvars.ContextVar[str] = contextvars.ContextVar("mood")


async def test_a_sync_body_runs_in_a_thread_with_the_context_variables() -> None:
    @function
    def where() -> list[Any]:
        return [threading.current_thread() is threading.main_thread(), mood.get()]

    mood.set("calm")

    assert await run(where) == [False, "calm"]


async def test_a_sync_body_does_not_block_the_loop() -> None:
    released = threading.Event()

    @function
    def waits() -> str:
        assert released.wait(5)
        return "released"

    running = asyncio.create_task(run(waits))
    await asyncio.sleep(0.01)
    released.set()

    assert await running == "released"


# --- Workflows ------------------------------------------------------------------------------------


async def test_all_spellings_of_a_workflow_register_and_run_it() -> None:
    async def body(ctx: Context, a: int) -> int:
        return a + 1

    for name, decorate in (
        ("body", workflow),
        ("w1", workflow()),
        ("w2", workflow("w2")),
        ("w3", workflow(name="w3")),
    ):
        decorated: Any = decorate
        assert decorated(body) is body
        assert await run("body" if name == "w1" else name, 1) == 2


def test_a_workflow_that_is_not_imperative_is_refused_with_the_remedy() -> None:
    def graph() -> list[str]: ...
    def blocking(ctx: Context) -> None: ...
    async def without_context(a: int) -> None: ...

    for body in (graph, blocking, without_context):
        with pytest.raises(TypeError, match=rf"async def {body.__name__}\(ctx, \.\.\.\)"):
            workflow(body)


# --- Entities -------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [entity, EntityType])
def test_names_that_begin_like_towpaths_own_are_refused(make: Callable[[str], EntityType]) -> None:
    with pytest.raises(
        RegistrationError, match=r"entity 'towpath.Session': names that begin with 'towpath.' are"
    ):
        make("towpath.Session")


def test_a_type_of_entity_has_its_methods_and_leaves_them_callable() -> None:
    counter = entity("Counter")

    @counter.write
    async def add(ctx: Context, amount: int) -> int:
        return amount

    @counter.shared
    def total(ctx: Context) -> int:
        return 7

    component = REGISTRY.find(ComponentType.ENTITY, "Counter")
    assert component is not None
    assert {name: method.shared for name, method in component.methods.items()} == {
        "add": False,
        "total": True,
    }
    assert total(None) == 7  # type: ignore[arg-type]


@pytest.mark.parametrize("role", ["write", "shared"])
def test_declaring_a_method_on_the_factory_explains_what_to_write(role: str) -> None:
    async def update(ctx: Context) -> None: ...

    with pytest.raises(
        RegistrationError, match=rf'counter = entity\("Counter"\)`, then `@counter\.{role}` above update'
    ):
        getattr(entity, role)(update)


def test_two_types_or_two_methods_of_one_name_are_refused() -> None:
    counter = entity("Counter")

    @counter.write
    async def add(ctx: Context) -> None: ...

    with pytest.raises(RegistrationError, match="a entity named 'Counter' is registered already"):
        entity("Counter")
    with pytest.raises(RegistrationError, match="has a method 'add' already"):
        counter.shared(add)


async def test_an_entity_is_called_and_not_run() -> None:
    entity("Counter")
    component = REGISTRY.find(ComponentType.ENTITY, "Counter")

    assert component is not None
    with pytest.raises(ContextError, match=r'ctx\.entity\("Counter", key\)'):
        await component.execute(None, {})
