"""What a component may ask of its context when it runs in this process."""

import asyncio
import logging
from datetime import UTC, datetime
from functools import partial
from random import Random
from typing import Any

import pytest
from pydantic import BaseModel

from towpath import (
    Context,
    LocalContext,
    ModelReply,
    ModelRequest,
    RetryPolicy,
    entity,
    function,
    tool,
    workflow,
)
from towpath.components import ComponentType
from towpath.errors import (
    ComponentError,
    ConfigurationError,
    ContextError,
    DuplicateStepError,
    ModelError,
    NonRetryableError,
)
from towpath.local import EntityStore, run
from towpath.local.surroundings import Surroundings
from towpath.tools.calls import ToolCall
from towpath_schemas.failure import Failure

NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)


def drawn_again() -> Random:
    return Random(7)  # noqa: S311 - chance that repeats itself


class Slept:
    """A clock on which waiting takes no time."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    async def __call__(self, wait_s: float) -> None:
        self.waits.append(wait_s)


@pytest.fixture
def slept() -> Slept:
    return Slept()


@pytest.fixture
def context(slept: Slept) -> LocalContext:
    return LocalContext(surroundings=Surroundings(entities=EntityStore(), sleep=slept, random=drawn_again()))


class User(BaseModel):
    name: str


async def load(name: str) -> User:
    return User(name=name)


def load_sync(name: str) -> User:
    return User(name=name)


async def fails() -> None:
    raise ValueError("no such user")


# --- Steps ----------------------------------------------------------------------------------------


async def test_a_step_takes_functions_coroutines_and_other_awaitables(context: LocalContext) -> None:
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    future.set_result(5)

    assert await context.step("a", load, "Ada") == User(name="Ada")
    assert await context.step("b", load_sync, "Ada") == User(name="Ada")
    assert await context.step("c", load("Ada")) == {"name": "Ada"}
    assert await context.step("d", lambda: {"x": (1, 2)}) == {"x": [1, 2]}
    assert await context.step("e", lambda: load("Ada")) == {"name": "Ada"}
    assert await context.step("f", future) == 5
    assert await context.step("h", partial(load_sync, "Ada")) == {"name": "Ada"}
    assert await context.step("g", asyncio.create_task(load("Ada"))) == {"name": "Ada"}


async def test_a_plain_value_is_refused_because_it_has_happened_already(context: LocalContext) -> None:
    with pytest.raises(TypeError, match="was given a dict: it was computed before the step began"):
        await context.step("a", {"x": 1})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="arguments go to a function"):
        await context.step("b", asyncio.sleep(0), 1)


async def test_a_failing_function_is_tried_again_and_an_awaitable_is_not(
    context: LocalContext, slept: Slept
) -> None:
    with pytest.raises(ComponentError, match="no such user") as raised:
        await context.step("a", fails, retry=RetryPolicy(max_attempts=3, backoff="constant", jitter=0))
    assert (raised.value.failure.code, raised.value.failure.error_type) == ("user_error", "ValueError")
    assert isinstance(raised.value.__cause__, ValueError)
    assert slept.waits == [0.5, 0.5]

    with pytest.raises(ComponentError):
        await context.step("b", fails())
    assert len(slept.waits) == 2


async def test_what_json_cannot_carry_fails_the_step_at_once(context: LocalContext, slept: Slept) -> None:
    with pytest.raises(ComponentError) as raised:
        await context.step("a", lambda: {"x": b"1"})

    assert (raised.value.failure.code, slept.waits) == ("not_serialisable", [])


async def test_user_code_may_say_that_trying_again_is_hopeless(context: LocalContext, slept: Slept) -> None:
    def hopeless() -> None:
        raise NonRetryableError("closed account")

    with pytest.raises(ComponentError, match="closed account"):
        await context.step("a", hopeless)

    assert slept.waits == []


async def test_steps_of_one_name_may_run_together_but_of_one_key_may_not(context: LocalContext) -> None:
    async def work() -> int:
        await asyncio.sleep(0)
        return 1

    assert await asyncio.gather(context.step("a", work), context.step("a", work)) == [1, 1]
    assert await asyncio.gather(*(context.step("b", work, key=str(n)) for n in range(3))) == [1, 1, 1]
    with pytest.raises(DuplicateStepError, match="key="):
        await asyncio.gather(context.step("c", work, key="1"), context.step("c", work, key="1"))


async def test_a_key_names_one_act_that_happens_once(context: LocalContext) -> None:
    done: list[int] = []

    for _ in range(2):
        assert await context.step("a", lambda: done.append(1), key="k") is None
        await context.step("b", fails_never(), key="k")

    assert done == [1]


async def fails_never() -> None: ...


async def test_the_step_that_runs_is_known(context: LocalContext) -> None:
    assert (
        await context.step("outer", lambda: context.step("inner", lambda: context.step_id))
        == "outer#0/inner#0"
    )
    assert context.step_id is None


# --- Tasks ----------------------------------------------------------------------------------------


async def test_a_task_is_a_function_by_reference_or_by_name(context: LocalContext) -> None:
    @function
    def greet(ctx: Context, name: str) -> User:
        assert (ctx.component_type, ctx.run_id) == (ComponentType.FUNCTION, context.run_id)
        assert ctx.idempotency_key != ctx.run_id
        return User(name=name)

    assert await context.task(greet, input="Ada") == User(name="Ada")
    assert await context.task("service", "greet", input={"name": "Ada"}) == {"name": "Ada"}


async def test_every_attempt_of_a_task_has_its_own_context_and_one_idempotency_key(
    context: LocalContext,
    slept: Slept,
) -> None:
    seen: list[tuple[int, str]] = []

    @function(retries=3)
    async def flaky(ctx: Context) -> int:
        seen.append((ctx.attempt, ctx.idempotency_key))
        if ctx.attempt < 3:
            raise ConnectionError
        return ctx.attempt

    assert await context.task(flaky) == 3
    assert ([attempt for attempt, _ in seen], len({key for _, key in seen}), len(slept.waits)) == (
        [1, 2, 3],
        1,
        2,
    )


async def test_a_task_that_takes_too_long_is_stopped_and_says_so(context: LocalContext) -> None:
    @function(timeout_ms=10, retries=1)
    async def hangs() -> None:
        await asyncio.Event().wait()

    with pytest.raises(ComponentError, match=r"hangs did not end within 0\.01 s") as raised:
        await context.task(hangs)

    assert raised.value.failure.code == "timeout"


async def test_a_task_that_does_not_exist_is_an_error_that_says_so(context: LocalContext) -> None:
    with pytest.raises(ComponentError, match="function 'nobody' is not known here") as raised:
        await context.task("service", "nobody")
    assert raised.value.failure.code == "unknown_component"
    with pytest.raises(TypeError, match="is not registered; decorate it"):
        await context.task(load)
    with pytest.raises(ConfigurationError, match="service 'nobody' with handler_name=None; give the name"):
        await context.task("nobody")


async def test_bad_input_is_refused_before_the_body_runs(context: LocalContext, slept: Slept) -> None:
    @function
    def add(a: int, b: int) -> int: ...

    with pytest.raises(ComponentError, match="b: Field required") as raised:
        await context.task(add, input={"a": 1})

    assert (raised.value.failure.code, slept.waits) == ("invalid_input", [])


# --- Entities -------------------------------------------------------------------------------------


@pytest.fixture
def counter() -> None:
    made = entity("Counter")

    @made.write
    async def add(ctx: Context, amount: int = 1) -> int:
        total = await ctx.get("total", 0)
        await asyncio.sleep(0)
        ctx.set("total", total + amount)
        ctx.delete("never")
        assert (ctx.object_id, ctx.method_name, ctx.component_type) == ("a", "add", ComponentType.ENTITY)
        return await ctx.get("total")

    @made.write
    async def spoil(ctx: Context) -> None:
        await ctx.set("total", -1)
        raise ValueError("spoilt")

    @made.write
    async def wait(ctx: Context, amount: int) -> None:
        ctx.set("total", amount)
        await ctx.entity("Counter", ctx.object_id or "").total()
        await asyncio.sleep(0.01)

    @made.write
    async def recurse(ctx: Context) -> None:
        await ctx.entity("Counter", ctx.object_id or "").add()

    @made.write
    async def clear(ctx: Context) -> None:
        await ctx.delete("total")

    @made.shared
    async def total(ctx: Context) -> Any:
        return await ctx.get("total")

    @made.shared
    async def cheat(ctx: Context, *, delete: bool = False) -> None:
        if delete:
            ctx.delete("total")
        ctx.set("total", 1)

    _ = add, spoil, wait, recurse, clear, total, cheat


@pytest.mark.usefixtures("counter")
async def test_writes_of_one_key_are_done_one_by_one_in_order(context: LocalContext) -> None:
    results = await asyncio.gather(*(context.entity("Counter", "a").add() for _ in range(25)))

    assert results == list(range(1, 26))


@pytest.mark.usefixtures("counter")
async def test_keys_have_states_of_their_own(context: LocalContext) -> None:
    await context.entity("Counter", "a").add(amount=2)

    assert await context.entity("Counter", "a").total() == 2
    assert await context.entity("Counter", "b").total() is None


@pytest.mark.usefixtures("counter")
async def test_a_failed_write_changes_nothing(context: LocalContext) -> None:
    handle = context.entity("Counter", "a")
    await handle.add(3)

    with pytest.raises(ComponentError, match="spoilt"):
        await handle.spoil()

    assert await handle.total() == 3
    await handle.clear()
    assert await handle.total() is None


@pytest.mark.usefixtures("counter")
async def test_shared_methods_see_what_is_committed_and_wait_for_nobody(context: LocalContext) -> None:
    handle = context.entity("Counter", "a")
    await handle.add(3)

    writing = asyncio.ensure_future(handle.wait(9))
    await asyncio.sleep(0)
    seen = await handle.total()
    await writing

    assert (seen, await handle.total()) == (3, 9)


@pytest.mark.usefixtures("counter")
@pytest.mark.parametrize("named", [{}, {"delete": True}])
async def test_a_shared_method_cannot_write(context: LocalContext, named: dict[str, Any]) -> None:
    with pytest.raises(ComponentError, match=r"Counter\.cheat is shared and only reads") as raised:
        await context.entity("Counter", "a").cheat(**named)

    assert isinstance(raised.value.__cause__, ContextError)


@pytest.mark.usefixtures("counter")
async def test_an_entity_that_calls_itself_is_told_so_instead_of_waiting_for_ever(
    context: LocalContext,
) -> None:
    with pytest.raises(ComponentError, match="would wait for itself"):
        await context.entity("Counter", "a").recurse()


@pytest.mark.usefixtures("counter")
async def test_unknown_entities_and_methods_are_named(context: LocalContext) -> None:
    with pytest.raises(ComponentError, match="entity 'Nobody' is not known here"):
        await context.entity("Nobody", "a").add()
    with pytest.raises(ComponentError, match=r"method Counter\.nothing is not known here"):
        await context.entity("Counter", "a").nothing()


@pytest.mark.usefixtures("counter")
async def test_entities_outlive_the_run_that_wrote_them() -> None:
    around = Surroundings(entities=EntityStore())
    await LocalContext(surroundings=around).entity("Counter", "a").add(4)

    assert await LocalContext(surroundings=around).entity("Counter", "a").total() == 4


async def test_changing_what_was_read_changes_no_state(context: LocalContext) -> None:
    context.set("history", [1])
    (await context.get("history")).append(2)

    assert await context.get("history") == [1]
    await context.delete("history")
    assert await context.get("history", []) == []


# --- Models and tools -----------------------------------------------------------------------------


class Stumbling:
    """A model that fails a few times before it answers."""

    name = "stumbling"

    def __init__(self, *failures: Exception) -> None:
        self.failures = [*failures]

    async def generate(self, request: ModelRequest) -> ModelReply:
        if self.failures:
            raise self.failures.pop(0)
        return ModelReply(text="at last")


def unwell(*, retryable: bool, retry_after_s: float | None = None) -> ModelError:
    return ModelError(
        Failure(code="model_error", message="busy", retryable=retryable, retry_after_s=retry_after_s)
    )


ASKED = ModelRequest(messages=())


async def test_a_model_is_asked_again_when_it_says(context: LocalContext, slept: Slept) -> None:
    model = Stumbling(unwell(retryable=True, retry_after_s=7), unwell(retryable=True, retry_after_s=5))

    assert (await context.invoke_model(model, ASKED)).text == "at last"
    assert slept.waits == [7, 5]


@pytest.mark.parametrize("error", [unwell(retryable=False), ConfigurationError("OPENAI_API_KEY is not set")])
async def test_a_model_that_cannot_answer_is_not_asked_again(
    context: LocalContext, slept: Slept, error: Exception
) -> None:
    with pytest.raises(ModelError, match=str(error)):
        await context.invoke_model(Stumbling(error), ASKED)

    assert slept.waits == []


async def test_a_tool_is_tried_as_often_as_it_says_and_its_last_error_is_the_outcome(
    context: LocalContext,
    slept: Slept,
) -> None:
    @tool(retry=RetryPolicy(max_attempts=2), timeout_s=5)
    async def flaky(ctx: Context) -> None:
        raise ConnectionError(f"attempt {ctx.attempt}")

    outcome = await context.invoke_tool(flaky, ToolCall(id="c1", name="flaky"))

    assert outcome.error is not None
    assert (outcome.error.message, outcome.error.retryable, len(slept.waits)) == ("attempt 2", False, 1)


# --- Running --------------------------------------------------------------------------------------


async def test_a_run_is_as_deterministic_as_its_surroundings() -> None:
    @workflow
    async def draws(ctx: Context) -> list[str]:
        return [str(ctx.uuid()), str(ctx.random()), ctx.now().isoformat(), ctx.invocation_id]

    def around() -> LocalContext:
        return LocalContext(surroundings=Surroundings(random=drawn_again(), clock=lambda: NOON))

    first, second = [await run(draws, context=around()) for _ in range(2)]

    assert first == second
    assert first[2] == NOON.isoformat()


async def test_a_component_may_be_run_by_definition_or_by_name() -> None:
    @function("math.add")
    def add(a: int, b: int) -> int:
        return a + b

    @tool
    def twice(a: int) -> int:
        return 2 * a

    assert await run(add, {"a": 1, "b": 2}) == await run("math.add", [1, 2]) == 3
    assert await run(twice, {"a": 2}) == await run("twice", {"a": 2}) == 4
    with pytest.raises(ConfigurationError, match="'nobody' is no component"):
        await run("nobody")
    with pytest.raises(ConfigurationError, match="decorate it"):
        await run(load)


async def test_the_log_has_the_sentence_and_its_fields(
    context: LocalContext,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.DEBUG, "towpath"):
        context.log("order placed", order=7).info("done", extra={"size": 1})
        for level in ("debug", "warning", "error"):
            getattr(context.logger, level)("said")

    assert [record.levelname for record in caplog.records] == ["INFO", "INFO", "DEBUG", "WARNING", "ERROR"]
    assert caplog.messages[:2] == [
        f"order placed order=7 run_id={context.run_id}",
        f"done size=1 run_id={context.run_id}",
    ]
