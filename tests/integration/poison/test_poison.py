"""R10: what nobody can handle ends in DEAD once with its reason, and nothing else notices; mended, it is done."""

import asyncio
from collections import Counter
from collections.abc import Awaitable
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from towpath import Client, ComponentError
from towpath_chassis.delivery import GiveUp
from towpath_chassis.jetstream import JetStream
from towpath_chassis.letters import letter_at
from towpath_chassis.messages import Message
from towpath_chassis.pulling import Puller
from towpath_chassis.streams import ensure_consumer
from towpath_cli.one_loop import in_one_loop
from towpath_cli.plan import Plan
from towpath_schemas import subjects
from towpath_schemas.attribution import AttributionClaim
from towpath_schemas.calls import RunDispatched
from towpath_schemas.streams import AUDIT, JOURNAL, REDRIVEN, RUNS, TOOLS
from towpath_testkit.dead_letters import all_letters
from towpath_testkit.journals import run_started, write_entry
from towpath_testkit.poison import BODIES, Poison, every_poison
from towpath_testkit.settled import until

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]

SERVICE = "poison_app"
BAD = {
    "raising": "out of luck",
    "leaving": "SystemExit",
    "endless": "recursion",
    "unspeakable": "object",
    "enormous": "bytes",
    "hanging": "0.3 s",
    "blocking": "0.3 s",
}
"""What the failure of each bad function says."""
Place = tuple[str, int]


async def healthy(client: Client, count: int) -> None:
    """Have runs of every kind done, and their results looked at."""
    greeted = [client.run("welcome", {"name": f"n{one}"}, timeout_s=40) for one in range(count)]
    shopped = [client.run("shop", {"key": uuid4().hex}, timeout_s=40) for _ in range(count)]
    doing: list[Awaitable[object]] = [*greeted, *shopped]
    assert await asyncio.gather(*doing) == [f"hello n{one}" for one in range(count)] + [1] * count


async def test_poison_of_every_kind_in_every_stream_ends_in_dead_once_and_nobody_else_notices(
    client: Client, js: JetStream
) -> None:
    poison = list(every_poison(SERVICE, 1))
    serving = asyncio.create_task(healthy(client, 20))

    published: dict[Place, Poison] = {}
    for one in poison:
        published[await one.publish(js)] = one
        await asyncio.sleep(0)
    kept = await until(
        lambda: all_letters(js),
        lambda found: {(one.letter.stream, one.letter.sequence) for one in found} >= set(published),
        deadline_s=40,
    )
    await serving
    await healthy(client, 5)

    assert Counter((one.letter.stream, one.letter.sequence) for one in kept) == Counter(published.keys())
    for place, letter in kept:
        meant = published[letter.stream, letter.sequence]
        whole = await letter_at(js, place)
        assert whole is not None
        assert whole.raw == meant.body
        assert (letter.subject, letter.reason != "") == (meant.subject, True)
        assert meant.says in letter.reason
    assert js.nats.stats["reconnects"] == 0
    assert len(await all_letters(js)) == len(kept)


async def test_an_agent_of_any_name_is_served_and_audited(client: Client, js: JetStream) -> None:
    claim = AttributionClaim(agent="\N{SNOWMAN}" * 256, user_id="\N{SNOWMAN}" * 256)

    run_id = await client.start("welcome", {"name": "Ada"}, tenant="acme", attribution=claim)
    async with asyncio.timeout(20):
        told = [event async for event in client.watch(run_id)]

    assert [event.action for event in told] == ["started", "intended", "completed", "completed"]
    assert {event.attribution.agent for event in told} == {claim.agent}
    assert await all_letters(js) == []


async def test_an_entry_of_any_size_keeps_no_other_from_being_audited(client: Client, js: JetStream) -> None:
    """Each is as large as a message may be, or has more in it than can be told in one."""
    for number, correlation_id in enumerate(["x" * 1_040_000, "\N{SNOWMAN}" * 300_000, "%" * 60_000]):
        await write_entry(js, f"big-{number}", 0, run_started(correlation_id=correlation_id))
    await write_entry(js, "endless", 0, run_started().model_copy(update={"at": 1e305}))

    run_id = await client.start("welcome", {"name": "Ada"})
    async with asyncio.timeout(20):
        assert len([event async for event in client.watch(run_id)]) == 4

    letters = await all_letters(js)
    told = [one.body for one in await js.following(AUDIT, "audit.v1.acme._.record.unreadable", start=1)]
    assert [letter.reason for _, letter in letters] == [
        "what is to be told of it is too large for a message"
    ] * 3
    assert len(told) == 3


@pytest.mark.parametrize("name", BAD)
async def test_user_code_of_every_badness_fails_with_its_reason_beside_others_that_do_not(
    client: Client, name: str
) -> None:
    serving = asyncio.create_task(healthy(client, 3))

    suffering = [client.run("suffer", {"function_name": name}, timeout_s=30) for _ in range(5)]
    ended = await asyncio.gather(*suffering, return_exceptions=True)

    assert all(isinstance(one, ComponentError) and BAD[name] in str(one) for one in ended), ended
    async with asyncio.timeout(15):
        await serving


async def test_what_is_redriven_before_it_is_mended_is_given_up_once_more(
    client: Client, js: JetStream
) -> None:
    again = {stream.name for stream in REDRIVEN}
    poison = [one for one in every_poison(SERVICE, 1) if one.stream.name in again]
    for one in poison:
        await one.publish(js)
    kept = await until(lambda: all_letters(js), lambda found: len(found) == len(poison), deadline_s=30)

    done = await client.dead.redrive_all()

    after = await until(lambda: all_letters(js), lambda found: len(found) == 2 * len(poison), deadline_s=30)
    assert list(done) == [one.place for one in kept]
    assert Counter(one.letter.subject for one in after[len(kept) :]) == Counter(one.subject for one in poison)


# --- Mended -----------------------------------------------------------------------------------------------


async def test_requests_for_a_service_that_is_deployed_too_late_are_done_once_they_are_redriven(
    client: Client, js: JetStream, plan: Plan
) -> None:
    keys = [f"order-{number}" for number in range(10)]
    for key in keys:
        body = b'{"input": {"name": "Ada"}, "idempotency_key": "%s"}' % key.encode()
        await js.publish(subjects.request("acme", "start", "latecomer"), body)
    await until(lambda: all_letters(js), lambda found: len(found) == len(keys))

    late = replace(plan, app=str(Path(__file__).with_name("late_app.py")), service_name="late")
    async with in_one_loop(late, roles=["agent-runner", "tool-runner"]):
        done = await client.dead.redrive_all(reason="latecomer")
        results = [
            await client.run("latecomer", idempotency_key=key, tenant="acme", timeout_s=15) for key in keys
        ]

    assert len(done) == len(keys)
    assert results == ["at last, Ada"] * len(keys)
    assert len(await all_letters(js)) == len(keys)


async def test_a_dispatch_that_came_before_its_run_is_done_once_it_is_redriven(
    client: Client, js: JetStream
) -> None:
    dispatched = RunDispatched(run_id="early", reason="start").to_body()
    stored = await js.publish(subjects.dispatch("start", SERVICE), dispatched)
    (kept,) = await until(lambda: all_letters(js), bool)

    started = run_started("welcome", service=SERVICE, correlation_id="early", input={"name": "Ada"})
    await write_entry(js, "early", 0, started)
    # nobody knew whose it was when it was given up
    assert (kept.letter.sequence, kept.letter.tenant) == (stored.sequence, subjects.NOBODY)
    assert await client.dead.redrive(kept.place)

    assert await client.result("early", 15) == "hello Ada"


async def test_a_call_of_an_entity_whose_log_is_broken_fails_and_is_done_once_it_is_mended_and_redriven(
    client: Client, js: JetStream
) -> None:
    await client.run("shop", {"key": "c-1"}, timeout_s=15)
    broken = subjects.entity_log("acme", "Cart", "c-2", 1)
    await js.publish(broken, b"{")

    with pytest.raises(ComponentError, match="`towpath dead redrive 1`") as failed:
        await client.run("shop", {"key": "c-2"}, tenant="acme", timeout_s=30)
    (kept,) = await all_letters(js, stream="ENTITIES")
    await healthy(client, 3)
    await js.purge(JOURNAL, broken)
    done = await client.dead.redrive_all(stream="ENTITIES", tenant="acme")
    things = await client.run("shop", {"key": "c-2"}, tenant="acme", timeout_s=15)  # behind what was redriven

    assert (failed.value.failure.code, kept.letter.attempts) == ("given_up", 3)
    assert (list(done), things) == ([kept.place], 2)


async def test_calls_that_a_broken_runner_gave_up_come_byte_for_byte_to_the_mended_one(
    client: Client, js: JetStream
) -> None:
    broken, came = True, list[bytes]()

    async def handle(message: Message) -> None:
        if broken:
            raise GiveUp("I am broken")
        came.append(message.data)

    await ensure_consumer(js, TOOLS, "tools-played", filter_subject=subjects.calls_of("played"))
    puller = Puller(js, TOOLS, "tools-played", handle, capacity=5, ack_wait_s=5, max_attempts=3)
    await puller.start()
    try:
        for body in BODIES.values():
            await js.publish(subjects.call("played", "add"), body)
        await until(lambda: all_letters(js), lambda found: len(found) == len(BODIES))
        broken = False
        done = await client.dead.redrive_all(subject=subjects.calls_of("played"))
        await until(lambda: asyncio.sleep(0, came), lambda bodies: len(bodies) == len(BODIES))
    finally:
        await puller.stop(1)

    assert sorted(came) == sorted(BODIES.values())
    assert len(done) == len(BODIES)
    assert await js.last(RUNS, "runs.>") is None
