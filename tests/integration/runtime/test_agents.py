"""Agents on the platform: watched, spoken to, held to a budget, and asking people, whatever dies meanwhile."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from towpath import Agent, Client, Context, ModelReply, ModelRequest, Session, tool, tool_call, workflow
from towpath.agents.budgets import Budget
from towpath.agents.ledger import Ledger
from towpath.agents.request_size import most_tokens
from towpath.client import Chunk
from towpath.errors import RequestRefusedError
from towpath.models.port import Piece
from towpath.models.scripted import script
from towpath.testing import FunctionModel
from towpath.tools.confirmation import Confirmation
from towpath_chassis.service import running
from towpath_entity_store.app import app as entity_store_app
from towpath_entity_store.settings import Settings as EntityStoreSettings
from towpath_schemas.approvals import ApprovalView
from towpath_schemas.journal import CallIntended, RunSuspended, SignalReceived
from towpath_schemas.usage import Usage
from towpath_testkit.builders import TENANT
from towpath_testkit.hosting import Platform, platform
from towpath_testkit.servers import servers
from towpath_testkit.settled import until

pytestmark = pytest.mark.live


@pytest.fixture
async def towpath() -> AsyncGenerator[Platform]:
    """The platform with an entity store."""
    async with AsyncExitStack() as stack:
        started = await stack.enter_async_context(servers())
        hosting = await stack.enter_async_context(platform(started.nats.url))
        settings = EntityStoreSettings(
            nats_url=started.nats.url, redis_url=started.redis.url, health_port=0, drain_s=0.2
        )
        await stack.enter_async_context(running("entity-store", settings, entity_store_app))
        yield hosting


# --- Watching -------------------------------------------------------------------------------------------


class Speaker:
    """A model that calls a tool and then speaks in two pieces; the first time it stops between them."""

    name = "test/speaker"

    def __init__(self) -> None:
        self.asked = 0
        self.half_said = asyncio.Event()

    async def generate(self, request: ModelRequest) -> ModelReply:
        raise AssertionError("it is to be heard while it speaks")

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Piece | ModelReply]:
        self.asked += 1
        if request.messages[-1].role != "tool":
            call = tool_call("look_up", query="boats").model_copy(update={"id": "c1"})
            yield ModelReply(tool_calls=(call,), stop_reason="tool_use")
            return
        yield "two "
        if not self.half_said.is_set():
            self.half_said.set()
            await asyncio.Event().wait()
        yield "boats"
        yield ModelReply(text="two boats")


def told(chunks: list[Chunk]) -> list[tuple[int, int | None, str, str]]:
    return [(one.index, one.piece, one.value["type"], one.value.get("content", "")) for one in chunks]


async def test_who_watches_an_agent_reattaches_after_its_runner_was_killed_and_hears_nothing_twice(
    towpath: Platform,
) -> None:
    @tool
    def look_up(query: str) -> str:
        """Look something up."""
        return f"found {query}"

    speaker = Speaker()
    Agent(speaker, name="desk", tools=[look_up])
    await asyncio.gather(towpath.router(lost_after_s=1.5), towpath.tool_runner())
    first = await towpath.agent_runner()
    async with Client(towpath.url) as client:
        run_id = await client.start("desk", "Which boats?", tenant=TENANT)
        before: list[Chunk] = []
        async for chunk in client.stream(run_id):
            before.append(chunk)
            if chunk.piece is not None:
                break
        await first.crash()
        await towpath.agent_runner()

        after = [chunk async for chunk in client.stream(run_id, since=before[-1].position)]

        assert (await client.result(run_id))["output"] == "two boats"
    assert told(before) == [
        (0, None, "tool_call", ""),
        (1, None, "tool_result", ""),
        (2, 0, "response.delta", "two "),
    ]
    assert told(after) == [
        (2, 0, "response.delta", "two "),
        (2, 1, "response.delta", "boats"),
        (2, None, "response", "two boats"),
        (3, None, "result", "two boats\n"),
    ]
    assert speaker.asked == 3
    assert [one.value["seq"] for one in [*before[:2], *after[2:]]] == [1, 2, 3, 4]


# --- Budgets --------------------------------------------------------------------------------------------


async def test_64_runs_that_race_for_one_budget_overspend_nothing(towpath: Platform) -> None:
    def spend(request: ModelRequest) -> ModelReply:
        usage = Usage(input_tokens=most_tokens(request), output_tokens=request.max_tokens or 0)
        return ModelReply(text="spent", usage=usage)

    budget = Budget(tokens=4_000, name="purse", answer_tokens=50)
    Agent(FunctionModel(spend), name="racer", limits=[budget])
    await towpath.all()

    ended = await asyncio.gather(*(towpath.run("racer", f"I am {number:02}") for number in range(64)))

    results = [one.result for one in ended]
    used = sum(one["usage"]["input_tokens"] + one["usage"]["output_tokens"] for one in results)
    async with Client(towpath.url) as client:
        kept = Ledger.model_validate(await client.entity("towpath.Budget", "purse", tenant=TENANT).ledger())
    assert {one["status"] for one in results} == {"completed", "budget"}
    assert 3_500 < used <= 4_000
    assert kept == Ledger(spent=kept.spent, began=kept.began)
    assert kept.spent.tokens == used


# --- People ---------------------------------------------------------------------------------------------


async def approval_of(client: Client, run_id: str) -> ApprovalView:
    async def waiting() -> list[ApprovalView]:
        return [approval async for approval in client.approvals(run_id=run_id)]

    return (await until(waiting, bool))[0]


async def test_a_tool_that_wants_a_yes_waits_for_it_and_its_agent_is_told_of_a_no(towpath: Platform) -> None:
    erased: list[str] = []

    def eraser(expires_s: float) -> Any:
        @tool(name=f"erase_{expires_s:g}", confirmation=Confirmation(expires_s=expires_s))
        def erase(name: str) -> str:
            """Erase a database."""
            erased.append(name)
            return f"{name} is gone"

        return erase

    def asks(request: ModelRequest) -> Any:
        last = request.messages[-1]
        name = "erase_1" if "quickly" in last.content else "erase_3600"
        return last.content if last.role == "tool" else tool_call(name, name="prod")

    Agent(FunctionModel(asks), name="cleaner", tools=[eraser(1), eraser(3600)])
    await asyncio.gather(towpath.all(), towpath.audit_sink())
    async with Client(towpath.url) as client:
        approved, rejected, expired = [
            await client.start("cleaner", said, tenant=TENANT) for said in ("Clean up", "Tidy up", "quickly")
        ]
        asked = await approval_of(client, approved)
        assert asked.asked.payload == {"tool": "erase_3600", "arguments": {"name": "prod"}}
        await towpath.until(approved, RunSuspended)
        assert erased == []

        with pytest.raises(RequestRefusedError, match="look at what it is about"):
            await client.decide(asked.approval_id, "approved", content_sha256="0" * 64, approver="eve")
        await client.decide(asked, "approved", approver="ada")
        await client.decide(await approval_of(client, rejected), "rejected", "too risky", approver="bob")

        outputs = [(await client.result(run_id))["output"] for run_id in (approved, rejected, expired)]

    assert outputs == [
        "prod is gone",
        "Error: erase_3600 was not run: bob rejected it: too risky",
        "Error: erase_1 was not run: nobody approved it in time",
    ]
    assert erased == ["prod"]
    begun = [
        one for one in await towpath.journal(approved) if isinstance(one, CallIntended) and one.act == "tool"
    ]
    assert [one.input for one in begun] == [{"name": "prod"}]


# --- Speaking and cancelling ------------------------------------------------------------------------------


async def test_an_agent_is_spoken_to_while_it_works_and_cancelled_in_the_middle_of_a_tool_call(
    towpath: Platform,
) -> None:
    called, go_on = asyncio.Event(), asyncio.Event()

    @tool
    async def dig(deep: bool) -> str:  # noqa: FBT001
        """Dig."""
        called.set()
        await go_on.wait()
        return "dug"

    def digs(request: ModelRequest) -> Any:
        spoken = [one.content for one in request.messages if one.role == "user"]
        return (
            " + ".join(spoken)
            if request.messages[-1].role != "user"
            else tool_call("dig", deep=len(spoken) > 1)
        )

    @workflow
    async def reads(ctx: Context) -> list[Any]:
        return [[one.role, one.content] for one in await Session("hole").history()]

    Agent(script("digger", digs), name="digger", tools=[dig])
    await towpath.all()
    async with Client(towpath.url) as client:
        run_id = await client.start("digger", {"prompt": "Dig", "session_id": "hole"}, tenant=TENANT)
        await called.wait()
        await client.send(run_id, "deeper")
        await towpath.until(run_id, SignalReceived)  # by then, and not before, it is heard at the next turn
        called.clear()
        go_on.set()
        await called.wait()
        go_on.clear()
        await client.cancel(run_id, "enough")
        ended = await towpath.finished(run_id)

    assert (ended.end, ended.failure and ended.failure.message) == (
        "cancelled",
        "the run was cancelled: enough",
    )
    said = (await towpath.run("reads")).result
    assert [role for role, _ in said[:5]] == ["user", "assistant", "tool", "user", "assistant"]
    assert said[3] == ["user", "deeper"]
    assert said[-1][0] == "assistant"
    assert len([role for role, _ in said if role == "tool"]) == 2
    go_on.set()
