"""A broadcast reaches every run of its tenant that waits for the signal, and no other."""

import asyncio
from collections.abc import AsyncGenerator, Iterable

import pytest

from towpath_chassis.jetstream import JetStream
from towpath_chassis.service import running
from towpath_entity_store.app import app
from towpath_entity_store.settings import Settings
from towpath_schemas import subjects
from towpath_schemas.attribution import Attribution
from towpath_schemas.audit import AuditEvent
from towpath_schemas.calls import SignalSent
from towpath_schemas.requests import BroadcastRequested, RequestDone
from towpath_schemas.runs import RunsAsked, RunsListed
from towpath_schemas.streams import INBOX
from towpath_testkit.asking import ask
from towpath_testkit.builders import TENANT
from towpath_testkit.hosting import Platform, own_registry, platform
from towpath_testkit.journals import AT, run_started, write_entry
from towpath_testkit.servers import Servers, servers
from towpath_testkit.settled import until

pytestmark = pytest.mark.live

PAID = BroadcastRequested(payload=7, signal_id="s")


@pytest.fixture
async def stores() -> AsyncGenerator[Servers]:
    async with servers() as started:
        yield started


@pytest.fixture
async def towpath(stores: Servers) -> AsyncGenerator[Platform]:
    """A router and an entity-store, whose index is fed by hand with what an audit-sink tells."""
    settings = Settings(nats_url=stores.nats.url, redis_url=stores.redis.url, drain_s=0.2)
    with own_registry():
        async with platform(stores.nats.url) as hosting, running("entity-store", settings, app):
            await hosting.router()
            yield hosting


async def tell(js: JetStream, run_id: str, action: str, sequence: int, *, name: str, tenant: str) -> None:
    """Tell of a run's wait for a signal; of its start, if it is `started`."""
    starts = action == "started"
    kind, by = ("run" if starts else "signal"), Attribution(tenant=tenant)
    event = AuditEvent(
        at=AT + sequence,
        run_id=run_id,
        kind=kind,
        action=action,
        target="greet" if starts else name,
        key=None if starts else "signal#0",
        attribution=by,
        correlation_id="c",
        source_stream="JOURNAL",
        source_sequence=sequence,
    )
    await js.publish(subjects.audit(tenant, None, kind, action), event.to_body())


async def waits(js: JetStream, run_ids: Iterable[str], *, name: str = "paid", tenant: str = TENANT) -> None:
    """Have runs wait for a signal, as the journal and the audit stream say."""

    async def one(number: int, run_id: str) -> None:
        await write_entry(js, run_id, 0, run_started(tenant=tenant))
        await tell(js, run_id, "started", 2 * number, name=name, tenant=tenant)
        await tell(js, run_id, "intended", 2 * number + 1, name=name, tenant=tenant)

    await asyncio.gather(*(one(number, run_id) for number, run_id in enumerate(run_ids, start=1)))


async def until_waiting(js: JetStream, count: int, *, name: str = "paid", tenant: str = TENANT) -> None:
    async def listed() -> int:
        asked, found = RunsAsked(tenant=tenant, waiting_for_signal=name, limit=1_000), 0
        while True:
            answer = await js.request(subjects.runs_index("list"), asked.to_body(), within_s=10)
            page = RunsListed.from_body(answer.data)
            found += len(page.runs)
            if page.cursor is None:
                return found
            asked = asked.model_copy(update={"cursor": page.cursor})

    await until(listed, lambda found: found == count)


async def reached(js: JetStream) -> dict[str, list[SignalSent]]:
    found: dict[str, list[SignalSent]] = {}
    start = 1
    while page := await js.following(INBOX, subjects.EVERY_INBOX_EVENT, start=start):
        for one in page:
            found.setdefault(subjects.read_inbox(one.subject)[0], []).append(SignalSent.from_body(one.body))
        start = page[-1].sequence + 1
    return found


async def test_it_reaches_those_who_wait_for_it_and_are_of_its_tenant(towpath: Platform) -> None:
    js = towpath.js
    await waits(js, ["a", "b"])
    await waits(js, ["other-name"], name="sent")
    await waits(js, ["other-tenant"], tenant="globex")
    await waits(js, ["over"])
    await tell(js, "over", "completed", 99, name="paid", tenant=TENANT)
    await until_waiting(js, 2)

    words = [await ask(js, "broadcast", "paid", PAID) for _ in range(2)]

    assert [sorted(word.targets) for word in words if isinstance(word, RequestDone)] == [["a", "b"]] * 2
    found = await reached(js)
    assert {run_id: [(one.name, one.payload) for one in sent] for run_id, sent in found.items()} == {
        "a": [("paid", 7)],
        "b": [("paid", 7)],
    }


async def test_it_reaches_nobody_where_nobody_waits(towpath: Platform) -> None:
    word = await ask(towpath.js, "broadcast", "paid", PAID)

    assert word == RequestDone(subject=subjects.request(TENANT, "broadcast", "paid"))


async def test_more_than_a_page_are_reached(towpath: Platform) -> None:
    run_ids = [f"r{number}" for number in range(1_050)]
    await waits(towpath.js, run_ids)
    await until_waiting(towpath.js, len(run_ids))

    word = await ask(towpath.js, "broadcast", "paid", PAID)

    assert isinstance(word, RequestDone)
    assert sorted(word.targets) == sorted(run_ids)
    assert set(await reached(towpath.js)) == set(run_ids)


async def test_it_waits_for_an_index_that_is_not_there_yet(stores: Servers) -> None:
    settings = Settings(nats_url=stores.nats.url, redis_url=stores.redis.url, drain_s=0.2)
    with own_registry():
        async with platform(stores.nats.url) as hosting:
            await hosting.router()
            await waits(hosting.js, ["a"])
            asking = asyncio.create_task(ask(hosting.js, "broadcast", "paid", PAID))
            async with running("entity-store", settings, app):
                word = await asking

    assert isinstance(word, RequestDone)
