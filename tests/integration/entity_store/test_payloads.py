"""Large values are kept like small ones; what their entity needs no more is dropped with its records."""

import pytest

from towpath_schemas import subjects
from towpath_schemas.entities import EntityName
from towpath_schemas.payloads import MAX_MESSAGE_BYTES
from towpath_schemas.streams import DEAD, ENTITIES, PAYLOADS
from towpath_testkit.entity_stage import EntityStage, eventually
from towpath_testkit.settled import messages_in, until_there_are

pytestmark = pytest.mark.live

LARGE = "x" * 2_000_000
PIECES = -(-len(LARGE) // MAX_MESSAGE_BYTES)
OWNED = subjects.payloads_of(EntityName("acme", "Cart", "c").payload_owner)


async def owned(stage: EntityStage) -> int:
    return len(await stage.js.following(PAYLOADS, OWNED, start=1, limit=1_000))


async def test_a_large_value_is_kept_read_and_taken_over_by_the_next_owner(stage: EntityStage) -> None:
    async with stage.store():
        stored = await stage.run.call("c", "set", {"items": [LARGE]})
        read = await stage.run.read("c", "items")
    async with stage.store():
        added = await stage.run.call("c", "add", "small")

    assert stored.failure is None
    assert (read.result, added.result) == ([LARGE], 2)


async def test_payloads_that_only_older_records_name_are_dropped(stage: EntityStage) -> None:
    async with stage.store(snapshot_every=5):
        for number in range(4):
            await stage.run.call("c", "set", {"items": [f"{number}{LARGE}"]})
            await stage.run.call("other", "set", {"items": [f"{number}{LARGE}"]})
        read = await stage.run.read("c", "items")

        assert read.result == [f"3{LARGE}"]
        assert await owned(stage) <= 4 * (PIECES + 1)

        await stage.run.call("c", "set", {"items": []})
        for _ in range(5):
            await stage.run.call("c", "items", None)
        await eventually(lambda: _is_empty(stage))


async def _is_empty(stage: EntityStage) -> bool:
    return await owned(stage) == 0


async def test_a_call_of_an_entity_whose_log_is_lost_fails_and_says_so(stage: EntityStage) -> None:
    async with stage.store():
        await stage.run.call("c", "set", {"items": [LARGE]})
    await stage.js.purge(PAYLOADS, OWNED)

    async with stage.store():
        failed = await stage.run.call("c", "add", "a")
        others = await stage.run.call("other", "add", "a")

    assert failed.failure is not None
    assert failed.failure.code == "given_up"
    assert "Cart/c" in failed.failure.message
    assert "is missing" in failed.failure.message
    assert others.result == 1
    await until_there_are(stage.js, DEAD, 1)


async def test_an_invocation_whose_arguments_are_lost_is_buried_and_holds_nobody_up(
    stage: EntityStage,
) -> None:
    mailbox = subjects.mailbox("acme", "Cart", "c")
    await stage.js.publish(mailbox, LARGE.encode())
    await stage.js.purge(PAYLOADS, "payloads.v1.>")

    async with stage.store():
        added = await stage.run.call("c", "add", "a")
        await until_there_are(stage.js, DEAD, 1)

    assert added.result == 1
    assert await messages_in(stage.js, ENTITIES) == 2
