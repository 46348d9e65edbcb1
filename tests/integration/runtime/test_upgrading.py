"""A service is upgraded runner by runner: who lacks some code leaves it to those who have it, and nothing is claimed in vain."""

import asyncio
from collections.abc import Callable
from functools import partial
from itertools import count
from random import random
from typing import Any

import pytest

from towpath import Client, Context, function, workflow
from towpath.components import REGISTRY, Registry
from towpath.engine.call_execution import answer_of
from towpath_chassis.inbox import place_of
from towpath_chassis.jetstream import JetStream
from towpath_chassis.journal import newest_claim
from towpath_chassis.messages import Message
from towpath_router.catalogue import Catalogue
from towpath_schemas import subjects
from towpath_schemas.calls import Answered, CallRequested, Taken
from towpath_schemas.envelope import header_value
from towpath_schemas.journal import RunStarted, RunSuspended
from towpath_schemas.streams import CATALOGUE, INBOX, TOOLS, runner_consumer, tools_consumer
from towpath_testkit.builders import SERVICE, call_requested
from towpath_testkit.hosting import Platform
from towpath_testkit.servers import Servers
from towpath_testkit.settled import until

pytestmark = pytest.mark.live

TOOLS_CONSUMER = f"{TOOLS.name}.{tools_consumer(SERVICE)}"


def code(define: Callable[[], object]) -> Registry:
    """Make a registry of what `define` decorates."""
    define()
    made = Registry()
    for component in REGISTRY:
        made.add(component)
    REGISTRY.clear()
    return made


def of_version(version: str) -> Registry:
    """Make the code of a version as each process makes it: with a default of its own."""

    def define() -> None:
        @workflow(version=version)
        async def pinned(ctx: Context, drawn: float = random()) -> str:  # noqa: S311 - no secret
            assert drawn >= 0
            await ctx.signal("go")
            return f"by {version}"

    return code(define)


def newer(charged: Callable[[], object] = lambda: None) -> Registry:
    def define() -> None:
        @function(retries=1)
        async def charge() -> str:
            charged()
            return "charged"

        @workflow
        async def fresh(ctx: Context) -> str:
            return await ctx.task(charge)

    return code(define)


async def version_of_new_runs(towpath: Platform) -> str | None:
    catalogue = Catalogue(towpath.js)
    offer = await catalogue.find("pinned", service=SERVICE)
    return offer.version if offer else None


async def redelivered(towpath: Platform) -> int:
    info = await towpath.js.info(f"CONSUMER.INFO.RUNS.{runner_consumer(SERVICE)}")
    return int(info["num_redelivered"]) if info else 0


async def test_old_runners_leave_to_new_ones_what_only_those_have(towpath: Platform) -> None:
    old, new = of_version("1"), newer()
    await asyncio.gather(towpath.router(), towpath.agent_runner(old), towpath.tool_runner(old))
    await asyncio.gather(towpath.agent_runner(new), towpath.tool_runner(new))

    finished = await asyncio.gather(*(towpath.run("fresh") for _ in range(12)))

    assert [(one.result, one.failure) for one in finished] == [("charged", None)] * 12


async def given_back(towpath: Platform, call: CallRequested) -> None:
    """Have a call delivered as to a tool-runner that ends before it acknowledges; no other may be there."""
    js = towpath.js
    await until(lambda: tools_delivered(js), lambda said: said["num_waiting"] == 0)
    await js.publish(subjects.call(SERVICE, call.name), call.to_body())
    inbox, given = js.nats.new_inbox(), asyncio.Queue[Message]()
    subscription = await js.subscribe(inbox, given.put)
    await js.nats.publish(f"$JS.API.CONSUMER.MSG.NEXT.{TOOLS_CONSUMER}", reply=inbox)
    await (await given.get()).nak()
    await js.unsubscribe(subscription)


async def tools_delivered(js: JetStream) -> dict[str, Any]:
    return await js.api(f"CONSUMER.INFO.{TOOLS_CONSUMER}")


async def test_what_may_have_been_executed_is_not_executed_again_by_whom_an_old_runner_leaves_it_to(
    towpath: Platform,
) -> None:
    executions, call = count(), call_requested("charge")
    old, new = of_version("1"), newer(partial(next, executions))
    _, begun = await asyncio.gather(towpath.agent_runner(new), towpath.tool_runner(new))
    await begun.stop()
    await given_back(towpath, call)

    await towpath.tool_runner(old)
    await until(lambda: tools_delivered(towpath.js), lambda said: said["delivered"]["consumer_seq"] > 1)
    await towpath.tool_runner(new)
    place = place_of(answer_of(call))
    answer = await until(lambda: towpath.js.last(INBOX, place), bool)

    assert next(executions) == 0
    assert answer is not None
    failure = Answered.from_body(answer.body).failure
    assert failure is not None
    assert failure.code == "unknown_outcome"


async def test_a_run_whose_code_is_deployed_nowhere_any_more_fails(towpath: Platform) -> None:
    _, first = await asyncio.gather(towpath.router(), towpath.agent_runner(newer()))
    await first.stop()
    run_id = await towpath.start("fresh")
    await towpath.until(run_id, RunStarted)

    await towpath.agent_runner(of_version("1"))
    finished = await towpath.finished(run_id)

    assert finished.failure is not None
    assert "has no workflow 'fresh' any more" in finished.failure.message


async def test_an_edition_that_cannot_be_read_keeps_nobody_from_serving(towpath: Platform) -> None:
    await towpath.js.publish(subjects.edition(SERVICE, "unreadable"), b"{")

    await towpath.agent_runner(of_version("1"))

    assert await version_of_new_runs(towpath) == "1"


async def test_an_old_runner_that_starts_again_does_not_take_the_catalogue_back(towpath: Platform) -> None:
    await towpath.agent_runner(of_version("1"))
    newest = await towpath.agent_runner(of_version("2"))

    again = await towpath.agent_runner(of_version("1"))
    described = await version_of_new_runs(towpath)
    await asyncio.gather(newest.stop(), again.stop())
    await towpath.agent_runner(of_version("1"))

    assert described == "2"
    assert await version_of_new_runs(towpath) == "1"


async def test_newer_code_that_registers_while_an_old_runner_starts_stays_in_the_catalogue(
    towpath: Platform,
) -> None:
    js, place = towpath.js, subjects.catalogue(SERVICE)
    old = await towpath.agent_runner(of_version("1"))
    newest = await towpath.agent_runner(of_version("2"))
    registered = await js.last(CATALOGUE, place, whole=False)
    assert registered is not None
    edition = header_value(registered.headers, "ce-id")
    assert edition is not None
    await asyncio.gather(old.stop(), newest.stop())
    asked = count()

    async def begin_when_asked(question: Message) -> None:
        """Not be there the first time somebody asks for the newer code, and register before they know."""
        if next(asked) == 0:
            await js.publish(place, registered.body, headers={"ce-id": edition})
            await js.nats.publish(question.reply, headers={"Status": "503"})
        else:
            await js.respond(question, Taken(taken=True).to_body())

    await js.subscribe(subjects.serving(SERVICE, edition), begin_when_asked)
    await towpath.agent_runner(of_version("1"))

    assert next(asked) == 2
    assert await version_of_new_runs(towpath) == "2"


async def test_a_run_whose_version_is_deployed_nowhere_waits_unclaimed_and_says_why(
    towpath: Platform, broker: Servers
) -> None:
    await towpath.router()
    old = await towpath.agent_runner(of_version("1"), suspend_after_s=0.1)
    run_id = await towpath.start("pinned")
    await towpath.until(run_id, RunSuspended)
    await old.stop()
    await towpath.agent_runner(of_version("2"))

    async with Client(broker.nats.url) as client:
        await client.signal(run_id, "go")
        await until(lambda: redelivered(towpath), bool)
        seen = await client.status(run_id)
        claimed = await newest_claim(towpath.js, run_id)
        await towpath.agent_runner(of_version("1"))

        assert await client.result(run_id, 10) == "by 1"
        assert seen is not None
        assert seen.blocked is not None
        assert "no workflow 'pinned' of version 1 deployed" in seen.blocked
        assert claimed is not None
        assert claimed.epoch == 1
