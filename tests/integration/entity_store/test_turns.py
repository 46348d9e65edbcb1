"""Turns that are asked for at the same time travel together, and none suffers from its company."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest
import pytest_asyncio

from towpath import Context, entity
from towpath.components import REGISTRY
from towpath.runtime.entity_host import EntityHost
from towpath_chassis.jetstream import JetStream
from towpath_chassis.messages import Message
from towpath_chassis.service import Chassis, connection
from towpath_chassis.telemetry import Tracing
from towpath_entity_store.entities.errors import RunnerLostError, TurnLostError
from towpath_entity_store.entities.limits import Limits
from towpath_entity_store.entities.runners import Runners
from towpath_entity_store.entities.turns import Turns
from towpath_entity_store.settings import Settings
from towpath_schemas import subjects
from towpath_schemas.entities import InvocationDone, TurnProgress, TurnRequested, TurnsRequested
from towpath_schemas.payloads import MAX_PAYLOAD_BYTES
from towpath_testkit.entities import SERVICE, invocation
from towpath_testkit.hosting import own_registry
from towpath_testkit.servers import Servers, servers

pytestmark = pytest.mark.live

Answer = Callable[[Message, TurnsRequested], Awaitable[None]]
SETTINGS = Settings(turn_silence_s=0.3, turn_attempts=1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def broker() -> AsyncGenerator[Servers]:
    async with servers(redis=False) as started:
        yield started


@pytest.fixture
async def js(broker: Servers) -> AsyncGenerator[JetStream]:
    async with connection(broker.nats.url, name="test") as (_, js):
        yield js


def turn(key: str, method: str = "add") -> TurnRequested:
    return TurnRequested(
        entity_type="Cart", entity_key=key, state={}, invocations=(invocation(key, method, key),)
    )


def outcomes(turn: TurnRequested) -> tuple[InvocationDone, ...]:
    return tuple(InvocationDone(invocation_id=one.invocation_id) for one in turn.invocations)


@asynccontextmanager
async def runner(js: JetStream, answer: Answer) -> AsyncGenerator[list[list[str]]]:
    """Answer turns as told until the end of the block; yields the keys in each message."""
    seen: list[list[str]] = []

    async def take(message: Message) -> None:
        asked = TurnsRequested.from_body(message.data)
        seen.append([one.entity_key for one in asked.turns])
        await answer(message, asked)

    subscription = await js.subscribe(subjects.entity_turn(SERVICE), take)
    await js.nats.flush()
    yield seen
    await subscription.unsubscribe()


async def test_turns_that_are_asked_for_together_travel_in_few_messages(js: JetStream) -> None:
    async def answer(message: Message, asked: TurnsRequested) -> None:
        done = dict(enumerate(map(outcomes, asked.turns)))
        await js.respond(message, TurnProgress(done=done).to_body())

    runners, keys = Runners(js, SETTINGS), [str(number) for number in range(20)]
    async with runner(js, answer) as seen:
        done = await asyncio.gather(*(runners.execute(SERVICE, turn(key).to_body()) for key in keys))

    assert [len(together) for together in seen] == [16, 4]
    assert [one.invocation_id for (one,) in done] == [f"{key}-add-{key}" for key in keys]


async def test_a_slow_turn_keeps_no_other_waiting(js: JetStream) -> None:
    go_on = asyncio.Event()

    async def answer(message: Message, asked: TurnsRequested) -> None:
        await js.respond(message, TurnProgress(done={1: outcomes(asked.turns[1])}).to_body())
        await go_on.wait()
        await js.respond(message, TurnProgress(done={0: outcomes(asked.turns[0])}).to_body())

    runners = Runners(js, Settings(turn_silence_s=30))
    async with runner(js, answer):
        slow, quick = (
            asyncio.create_task(runners.execute(SERVICE, turn(key).to_body())) for key in ("slow", "quick")
        )
        await quick
        assert not slow.done()
        go_on.set()
        await slow


async def test_a_lost_runner_says_whether_the_turn_was_alone(js: JetStream) -> None:
    async def silence(message: Message, asked: TurnsRequested) -> None:
        return

    runners = Runners(js, SETTINGS)
    async with runner(js, silence):
        asking = (runners.execute(SERVICE, turn(key).to_body(), alone=key == "c") for key in ("a", "b", "c"))
        lost = await asyncio.gather(*asking, return_exceptions=True)

    assert [isinstance(one, RunnerLostError) and one.alone for one in lost] == [False, False, True]


async def test_a_turn_that_kills_every_runner_fails_alone(js: JetStream) -> None:
    async def answer(message: Message, asked: TurnsRequested) -> None:
        if all(one.entity_key != "poison" for one in asked.turns):
            done = dict(enumerate(map(outcomes, asked.turns)))
            await js.respond(message, TurnProgress(done=done).to_body())

    turns = Turns(js, Tracing(None), SETTINGS, Limits.within(MAX_PAYLOAD_BYTES))
    async with runner(js, answer) as seen:
        taking = (turns.take(SERVICE, turn(key)) for key in ("a", "poison", "b"))
        first, poison, second = await asyncio.gather(*taking, return_exceptions=True)

    assert isinstance(poison, TurnLostError)
    assert (first, second) == (outcomes(turn("a")), outcomes(turn("b")))
    assert seen == [["a", "poison", "b"], ["a"], ["poison"], ["b"]]


async def test_a_host_tells_of_each_turn_as_it_ends_and_survives_one_that_ends_its_own_task(
    js: JetStream,
) -> None:
    go_on = asyncio.Event()
    with own_registry():
        cart = entity("Cart")

        @cart.write
        async def add(_ctx: Context, item: str) -> str:
            return item

        @cart.write
        async def wait(_ctx: Context, item: str) -> str:
            await go_on.wait()
            return item

        @cart.write
        async def end(_ctx: Context, item: str) -> str:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await asyncio.sleep(0)
            return item

        around = cast(
            "Chassis[Any]", SimpleNamespace(js=js, settings=SimpleNamespace(drain_s=1), tracing=Tracing(None))
        )
        runners = Runners(js, Settings(turn_silence_s=1.5))
        async with EntityHost(around, REGISTRY).serving(SERVICE):
            await js.nats.flush()
            asking = (turn("a", "wait"), turn("b", "end"), turn("c", "add"))
            slow, ended, quick = (
                asyncio.create_task(runners.execute(SERVICE, one.to_body())) for one in asking
            )
            assert [done.result for done in await quick] == ["c"]
            assert not slow.done()
            go_on.set()
            assert [done.result for done in await slow] == ["a"]
            with pytest.raises(RunnerLostError):
                await ended
