"""A call that becomes a dead letter fails, whatever was called and why; a redrive has it done, and changes no run."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import orjson
import pytest

from towpath import Client, Context, GivenUpError, entity, function, tool, workflow
from towpath.engine.commands import command
from towpath.failures import component_error
from towpath.tools.calls import ToolCall, ToolOutcome
from towpath_chassis.jetstream import JetStream
from towpath_chassis.messages import StoredMessage
from towpath_chassis.service import running
from towpath_entity_store.app import app as entity_store_app
from towpath_entity_store.settings import Settings as EntityStoreSettings
from towpath_schemas import identity, subjects
from towpath_schemas.journal import CallIntended, CallSettled, RunResumed
from towpath_schemas.shape import Shape
from towpath_schemas.streams import DEAD, INBOX, PAYLOADS
from towpath_testkit.builders import SERVICE, TENANT
from towpath_testkit.dead_letters import all_letters
from towpath_testkit.hosting import Hosted, Platform, platform
from towpath_testkit.journals import AT, run_started
from towpath_testkit.servers import Servers, servers
from towpath_testkit.settled import until, until_there_are

pytestmark = pytest.mark.live

LARGE = "x" * 700_000
KEYS = ("task:double#0", "tool:weigh#0", "entity:Cart.add#0", "run:child#0")
EVERY_PAYLOAD = "payloads.v1.>"


@pytest.fixture
async def broker() -> AsyncGenerator[Servers]:
    async with servers() as started:
        yield started


@pytest.fixture
async def towpath(broker: Servers) -> AsyncGenerator[Platform]:
    async with platform(broker.nats.url) as hosting:
        yield hosting


class Everything:
    """A workflow that makes a call of each kind once it may, says how they failed, and waits before its end."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.reached, self.go_on = asyncio.Event(), asyncio.Event()
        cart = entity("Cart")

        @function
        async def double(text: str) -> None:
            self.done.append("task")

        @tool
        async def weigh(text: str) -> None:
            """Weigh something."""
            self.done.append("tool")

        @cart.write
        async def add(ctx: Context, text: str) -> None:
            self.done.append("entity")

        @workflow
        async def child(ctx: Context, text: str) -> None:
            self.done.append("run")

        @workflow
        async def everything(ctx: Context) -> list[str]:
            self.reached.set()
            await self.go_on.wait()
            calls = (
                ctx.task(double, input="a"),
                _weighed(ctx.invoke_tool(weigh, ToolCall(id="1", name="weigh", arguments={"text": "a"}))),
                ctx.entity("Cart", "c").add("a"),
                ctx.spawn(child, "a").result(),
            )
            failed = await asyncio.gather(*(_failed(one) for one in calls))
            await ctx.signal("enough")
            return failed


async def _weighed(weighing: Awaitable[ToolOutcome]) -> None:
    outcome = await weighing
    assert outcome.error is not None
    raise component_error(outcome.error)


async def _failed(call: Awaitable[Any]) -> str:
    try:
        await call
    except GivenUpError as error:
        return error.failure.message
    return "well"


def questions(run_id: str, text: str) -> list[tuple[str, Shape]]:
    """Write what the run would ask, as it would but for the text, with the subjects."""
    started = run_started(service=SERVICE)
    inputs: list[Any] = [
        {"text": text},
        {"text": text},
        {"key": "c", "arguments": text},
        {"join": "detached", "input": text},
    ]
    asked: list[tuple[str, Shape]] = []
    for key, said in zip(KEYS, inputs, strict=True):
        act, _, target = key.removesuffix("#0").partition(":")
        intent = CallIntended.model_validate(
            {"at": AT, "key": key, "act": act, "target": target, "service": SERVICE, "input": said}
        )
        question = command(run_id, started, intent)
        assert question is not None
        asked.append((_subject(act, target), question))
    return asked


def _subject(act: str, target: str) -> str:
    match act:
        case "entity":
            return subjects.mailbox(TENANT, "Cart", "c")
        case "run":
            return subjects.child(TENANT, target)
        case _:
            return subjects.call(SERVICE, target)


async def ask(js: JetStream, run_id: str, text: str, write: Callable[[Shape], bytes]) -> None:
    """Ask for the run before it does: what it asks itself is then a repetition, which the broker drops."""
    for key, (subject, question) in zip(KEYS, questions(run_id, text), strict=True):
        await js.publish(subject, write(question), message_id=identity.call_id(run_id, key))


def as_it_is(question: Shape) -> bytes:
    return question.to_body()


def of_another_version(question: Shape) -> bytes:
    return orjson.dumps({**question.model_dump(mode="json"), "attribution": "somebody"})


async def begun(towpath: Platform) -> tuple[Everything, str, Hosted]:
    """Start a run that is about to call, with nobody there who executes its calls."""
    everything = Everything()
    router, _ = await asyncio.gather(towpath.router(), towpath.agent_runner())
    run_id = await towpath.start("everything")
    await everything.reached.wait()
    return everything, run_id, router


async def intents(towpath: Platform, run_id: str) -> None:
    await until(
        lambda: towpath.journal(run_id),
        lambda found: sum(isinstance(one, CallIntended) for one in found) >= len(KEYS),
    )


async def those_who_execute(stack: AsyncExitStack, towpath: Platform, broker: Servers) -> None:
    settings = EntityStoreSettings(
        nats_url=broker.nats.url, redis_url=broker.redis.url, health_port=0, drain_s=0.2
    )
    await stack.enter_async_context(running("entity-store", settings, entity_store_app))
    await asyncio.gather(towpath.router(), towpath.tool_runner())


async def test_calls_whose_payload_is_lost_fail_and_those_redriven_are_done_without_a_word_to_their_run(
    broker: Servers, towpath: Platform
) -> None:
    everything, run_id, router = await begun(towpath)
    await router.stop()
    await ask(towpath.js, run_id, LARGE, as_it_is)
    kept = await lose_payloads(towpath.js)
    everything.go_on.set()
    await intents(towpath, run_id)

    async with AsyncExitStack() as stack, Client.over(towpath.js) as client:
        await those_who_execute(stack, towpath, broker)
        letters = await until(lambda: all_letters(towpath.js), lambda found: len(found) == len(KEYS))
        await settled_calls(towpath, run_id)
        for piece in kept:
            await towpath.js.publish(piece.subject, piece.body)
        assert len(await client.dead.redrive_all(tenant=TENANT)) == len(KEYS)
        await until(lambda: asyncio.sleep(0, everything.done), lambda done: len(done) == len(KEYS))
        await client.signal(run_id, "enough", tenant=TENANT)
        finished = await towpath.finished(run_id)

    assert sorted(everything.done) == ["entity", "run", "task", "tool"]
    assert all("is missing" in message for message in finished.result)
    places = {str(one.place) for one in letters}
    assert {message.split("dead redrive ")[1].split("`")[0] for message in finished.result} == places
    assert [one.failure is not None for one in await settled_calls(towpath, run_id)] == [True] * len(KEYS)


async def test_calls_that_nobody_can_read_fail_once_however_often_they_are_redriven(
    broker: Servers, towpath: Platform
) -> None:
    everything, run_id, router = await begun(towpath)
    await router.stop()
    await ask(towpath.js, run_id, "a", of_another_version)
    everything.go_on.set()
    await intents(towpath, run_id)

    async with AsyncExitStack() as stack, Client.over(towpath.js) as client:
        await those_who_execute(stack, towpath, broker)
        await settled_calls(towpath, run_id)
        assert len(await client.dead.redrive_all()) == len(KEYS)
        await until_there_are(towpath.js, DEAD, 2 * len(KEYS))
        await client.signal(run_id, "enough", tenant=TENANT)
        finished = await towpath.finished(run_id)

    assert everything.done == []
    assert [message.partition(":")[0] for message in finished.result] == [
        "this is no call",
        "this is no call",
        "this is no invocation",
        "this is no ChildRequested",
    ]
    assert len(await settled_calls(towpath, run_id)) == len(KEYS)


async def settled_calls(towpath: Platform, run_id: str) -> list[CallSettled]:
    """Wait until every call of the run has its outcome, and return those."""
    records = await until(
        lambda: towpath.journal(run_id),
        lambda found: {one.key for one in found if isinstance(one, CallSettled)} >= set(KEYS),
    )
    return [one for one in records if isinstance(one, CallSettled) and one.key in KEYS]


async def lose_payloads(js: JetStream) -> list[StoredMessage]:
    """Lose all payloads; return what they were."""
    kept = await js.following(PAYLOADS, EVERY_PAYLOAD, start=1)
    assert kept
    await js.purge(PAYLOADS, EVERY_PAYLOAD)
    return kept


async def test_a_call_whose_answer_is_lost_on_its_way_fails(towpath: Platform) -> None:
    reached, go_on = asyncio.Event(), asyncio.Event()

    @function
    async def much() -> str:
        reached.set()
        await go_on.wait()
        return LARGE

    @workflow
    async def wants(ctx: Context) -> str:
        return await _failed(ctx.task(much))

    router = await towpath.router()
    first, _ = await asyncio.gather(towpath.agent_runner(), towpath.tool_runner())
    run_id = await towpath.start("wants")
    await reached.wait()
    await first.crash()
    await router.stop()

    go_on.set()
    await until(lambda: towpath.js.last(INBOX, subjects.inbox_of(run_id), whole=False), bool)
    await lose_payloads(towpath.js)
    await asyncio.gather(towpath.agent_runner(), towpath.router(lost_after_s=1.5))
    finished = await towpath.finished(run_id)

    assert "is missing" in finished.result
    assert any(isinstance(one, RunResumed) for one in await towpath.journal(run_id))
