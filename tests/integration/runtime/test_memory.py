"""Memory on the platform: what one run stores another recalls, of the same user only, as it was at any time."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from towpath import (
    Agent,
    Client,
    Context,
    ContextError,
    DatabaseMemoryService,
    Memory,
    ModelRequest,
    Session,
    VectorMemoryService,
    script,
    tool,
    tool_call,
    workflow,
)
from towpath_chassis.service import running
from towpath_entity_store.app import app as entity_store_app
from towpath_entity_store.settings import Settings as EntityStoreSettings
from towpath_schemas import identity, subjects
from towpath_schemas.attribution import AttributionClaim
from towpath_schemas.audit import AuditEvent
from towpath_schemas.journal import CallSettled
from towpath_schemas.streams import AUDIT
from towpath_testkit.builders import TENANT, start_requested
from towpath_testkit.hosting import Platform, own_registry, platform
from towpath_testkit.servers import servers
from towpath_testkit.settled import until

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def towpath() -> AsyncGenerator[Platform]:
    """The platform with an entity store, Qdrant, and the components below."""
    async with AsyncExitStack() as stack:
        patched = stack.enter_context(pytest.MonkeyPatch.context())
        patched.setenv("TOWPATH_DEFAULT_EMBEDDER", "test/words")
        started = await stack.enter_async_context(servers(qdrant=True))
        hosting = await stack.enter_async_context(platform(started.nats.url))
        settings = EntityStoreSettings(
            nats_url=started.nats.url,
            redis_url=started.redis.url,
            qdrant_url=started.qdrant.url,
            health_port=0,
            drain_s=0.2,
        )
        await stack.enter_async_context(running("entity-store", settings, entity_store_app))
        with own_registry():
            components()
            await asyncio.gather(hosting.all(), hosting.audit_sink())
        yield hosting


@pytest.fixture(autouse=True)
def served(registry: None) -> None:
    """Give this test's registry what the runners offer."""
    components()


def components() -> None:
    memory, shared = Memory(), Memory(scope="app")

    @workflow
    async def stores(ctx: Context, key: str, content: str) -> int:
        await memory.store(key, content, kind="fact")
        return (await memory.search(content)).as_of

    @workflow
    async def stores_for_all(ctx: Context, key: str, content: str) -> None:
        await shared.store(key, content)

    @workflow
    async def searches(ctx: Context, query: str, as_of: int | None = None) -> list[list[Any]]:
        found = await memory.search(query, as_of=as_of, min_score=0.1, filter={"kind": "fact"})
        return [[one.key, one.content] for one in found]

    @workflow
    async def changes(ctx: Context) -> list[Any]:
        await memory.store("drink", "tea", cups=1)
        await memory.update("drink", cups=2)
        (item,) = await memory.recall(["never", "drink"])
        forgotten = await memory.forget(["drink", "never"])
        return [item.content, item.metadata, forgotten, await memory.list_keys()]

    @workflow
    async def erases(ctx: Context) -> list[int]:
        erased = await memory.erase(reason="asked for it")
        return [erased.items, len(await memory.recall("boat")), len(await memory.list_keys())]

    @workflow
    async def ingests(ctx: Context) -> list[str]:
        session = Session("talk", user_id="eve")
        await session.send_message("I keep two bees")
        keys = await memory.ingest_from_session(session, "all")
        return [one.content for one in await memory.recall(keys)]

    @tool
    async def note(ctx: Context, key: str, value: str) -> str:
        """Keep something in mind."""
        await ctx.memory.set(key, value)
        await ctx.memory.append("log", key)
        return f"{len(await ctx.memory.search(value))} like it"

    script("notes", [tool_call("note", key="pet", value="has a cat"), "noted"])
    Agent(name="secretary", model="test/notes", tools=[note])
    script("listens", _what_it_is_told)
    Agent(name="crew", model="test/listens", memory=memory)


def _what_it_is_told(request: ModelRequest) -> str:
    return request.system or "nothing"


async def run(towpath: Platform, user_id: str | None, component: str, payload: Any = None) -> Any:
    """Run a component on behalf of a user, and return its result."""
    run_id = await start(towpath, user_id, component, payload)
    finished = await towpath.finished(run_id)
    assert finished.failure is None, finished.failure
    return finished.result


async def start(towpath: Platform, user_id: str | None, component: str, payload: Any = None) -> str:
    key = uuid4().hex
    request = start_requested(
        input=payload, idempotency_key=key, attribution=AttributionClaim(user_id=user_id)
    )
    await towpath.js.publish(subjects.request(TENANT, "start", component), request.to_body())
    return identity.run_id(TENANT, component, key)


async def test_what_a_user_stored_is_recalled_by_an_agent_for_this_user_only(towpath: Platform) -> None:
    await run(towpath, "ann", "stores", {"key": "boat", "content": "sails a small boat"})

    told = [
        (await run(towpath, user, "crew", "which boat do I sail"))["output"] for user in ("ann", "bob", None)
    ]

    assert "- sails a small boat" in told[0]
    assert told[1:] == ["nothing", "nothing"]


async def test_what_the_app_knows_is_known_to_all_of_its_users(towpath: Platform) -> None:
    await run(towpath, "ann", "stores_for_all", {"key": "hours", "content": "the harbour opens at nine"})

    told = (await run(towpath, "bob", "crew", "when opens the harbour"))["output"]

    assert "- the harbour opens at nine" in told


async def test_what_was_known_earlier_is_found_as_of_then(towpath: Platform) -> None:
    first = await run(towpath, "cas", "stores", {"key": "car", "content": "drives a red car"})
    await run(towpath, "cas", "stores", {"key": "car", "content": "drives a blue car"})

    assert await run(towpath, "cas", "searches", {"query": "car"}) == [["car", "drives a blue car"]]
    then = await run(towpath, "cas", "searches", {"query": "car", "as_of": first})
    assert then == [["car", "drives a red car"]]


async def test_memories_are_changed_and_forgotten(towpath: Platform) -> None:
    assert await run(towpath, "dan", "changes") == ["tea", {"cups": 2}, 1, []]


async def test_a_session_is_ingested_on_the_platform(towpath: Platform) -> None:
    assert await run(towpath, "eve", "ingests") == ["I keep two bees"]


async def test_a_tool_remembers_for_the_user_of_the_run(towpath: Platform) -> None:
    assert (await run(towpath, "fay", "secretary", "My cat is here"))["output"] == "noted"

    told = [(await run(towpath, user, "crew", "has a cat"))["output"] for user in ("fay", "bob")]

    assert "- has a cat" in told[0]
    assert "cat" not in told[1]


async def test_an_erased_user_leaves_nothing_to_be_found(towpath: Platform) -> None:
    before = await run(towpath, "gus", "stores", {"key": "boat", "content": "rows a boat"})

    assert await run(towpath, "gus", "erases") == [1, 0, 0]
    assert await run(towpath, "gus", "searches", {"query": "boat", "as_of": before}) == []
    assert await run(towpath, "gus", "erases") == [0, 0, 0]


async def test_what_an_agent_was_reminded_of_is_journaled_and_audited(towpath: Platform) -> None:
    await run(towpath, "hal", "stores", {"key": "boat", "content": "paddles a boat"})

    run_id = await start(towpath, "hal", "crew", "paddles a boat")
    await towpath.finished(run_id)

    (recalled,) = [
        one for one in await towpath.journal(run_id) if isinstance(one, CallSettled) and one.act == "memory"
    ]
    assert [one["key"] for one in recalled.result["app/-x/user/hal"]["found"]] == ["boat"]
    events = await until(
        lambda: told_by_audit(towpath), lambda events: any(one.run_id == run_id for one in events)
    )
    (event,) = [one for one in events if one.run_id == run_id]
    assert (event.target, event.agent, event.outcome) == ("search", "crew", "ok")
    assert event.recalled is not None
    assert "app/-x/user/hal/boat" in event.recalled
    assert event.attribution.user_id == "hal"


async def test_a_client_reaches_the_memories_of_a_user_and_erases_them(towpath: Platform) -> None:
    async with Client.over(towpath.js) as client:
        ida = client.memory(user_id="ida", tenant=TENANT)
        await ida.store("boat", "steers a boat", kind="fact")
        assert await run(towpath, "ida", "searches", {"query": "boat"}) == [["boat", "steers a boat"]]
        await ida.update("boat", sure=True)
        (found,) = await ida.search("boat", min_score=0.1)
        assert found.metadata == {"kind": "fact", "sure": True}

        erased = await ida.erase(reason="a request of the user")

        assert (erased.items, erased.records, erased.points) == (1, 2, 2)
        assert erased.entry is not None
        assert await ida.list_keys() == []
    assert await run(towpath, "ida", "searches", {"query": "boat"}) == []


async def test_a_client_that_speaks_for_a_user_reaches_no_other(towpath: Platform) -> None:
    async with Client.over(towpath.js) as client:
        memory = client.memory(tenant=TENANT, attribution=AttributionClaim(user_id="joe"))
        with pytest.raises(ContextError, match="may not reach the memories of user 'ann'"):
            await memory.list_keys("ann")


QUESTIONS: dict[str, dict[str, Any]] = {
    "by meaning": {"query": "boat with a red sail"},
    "the best only": {"query": "boat with a red sail", "limit": 1},
    "alike enough": {"query": "boat with a red sail", "min_score": 0.5},
    "equal": {"query": "boat", "filter": {"kind": "ship"}},
    "any of": {"query": "boat", "filter": {"kind": ["ship", "raft"], "crew": [1, 3]}},
    "a member of a list": {"query": "boat", "filter": {"tags": "old"}},
    "within": {"query": "boat", "filter": {"crew": {"gt": 1, "lte": 3}}},
    "in time": {"query": "boat", "filter": {"built": {"gte": "2020-01-01T00:00:00Z"}}},
    "nested": {"query": "boat", "filter": {"owner.name": "ada"}},
    "true is not one": {"query": "boat", "filter": {"crew": True}},
    "nothing": {"query": "boat", "filter": {"nobody": "has it"}},
}
SERVICES = {
    "by meaning": VectorMemoryService(),
    "by both": VectorMemoryService(hybrid=True),
    "by words": DatabaseMemoryService(),
}


async def known_by(memory: Memory) -> None:
    await memory.store("a", "boat with a red sail", kind="ship", crew=1, built="2019-05-01T00:00:00Z")
    await memory.store("b", "red boat", kind="ship", crew=2, tags=["old", "red"], owner={"name": "ada"})
    await memory.store(
        "c", "boat of old wood", kind="raft", crew=3, built="2021-05-01T00:00:00+02:00", tags=["new"]
    )
    await memory.store("d", "house with a red door", crew=True, kind="house")
    await memory.store("e", {"boats": ["boat", "sail"]}, kind="list")
    await memory.store("f", "a boat that is gone")
    await memory.forget("f")


@pytest.mark.parametrize("service", SERVICES)
async def test_a_script_finds_what_the_platform_finds(towpath: Platform, service: str) -> None:
    user = f"kim {service}"
    here = Memory(SERVICES[service], app_name="parity", user_id=user)
    await known_by(here)
    async with Client.over(towpath.js) as client:
        there = client.memory(SERVICES[service], app_name="parity", user_id=user, tenant=TENANT)
        await known_by(there)

        for name, asked in QUESTIONS.items():
            found = [[one.key for one in await at.search(**asked)] for at in (here, there)]
            if service != "by meaning" and "limit" not in asked:  # words are weighed in another way
                found = [sorted(keys) for keys in found]
            assert found[0] == found[1], name
        assert await here.list_keys() == await there.list_keys()
        recalled = [
            [(one.key, one.content, one.metadata) for one in await at.recall(["e", "f", "a"])]
            for at in (here, there)
        ]
        assert recalled[0] == recalled[1]


async def told_by_audit(towpath: Platform) -> list[AuditEvent]:
    """Read what the audit stream tells of questions about memories."""
    stored = await towpath.js.newest_of_each(AUDIT, subjects.audit_filter(kind="memory"))
    return [AuditEvent.from_body(one.body) for one in stored]
