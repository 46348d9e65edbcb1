"""The log of an entity lets nobody write who does not know its newest record."""

import pytest

from towpath_entity_store.entities.errors import KeyLostError
from towpath_entity_store.entities.log import EntityLog
from towpath_schemas.entities import EntityCommitted, EntityName
from towpath_testkit.entity_stage import EntityStage

pytestmark = pytest.mark.live

CART = EntityName("acme", "Cart", "c")


def record(number: int, **changes: object) -> bytes:
    return EntityCommitted(number=number, through=0, at=0.0, owner="me").model_copy(update=changes).to_body()


@pytest.fixture
def log(stage: EntityStage) -> EntityLog:
    return EntityLog(stage.js, remembers=10)


async def test_a_lost_acknowledgement_is_found_out_by_reading_the_record_back(log: EntityLog) -> None:
    sequence = await log.append(CART, 1, record(1), after=0)

    assert await log.append(CART, 1, record(1), after=0) == sequence


async def test_another_record_in_its_place_is_a_loss(log: EntityLog) -> None:
    await log.append(CART, 1, record(1), after=0)

    with pytest.raises(KeyLostError, match="another process has written to entity Cart/c of acme"):
        await log.append(CART, 1, record(1, owner="other"), after=0)


async def test_who_slept_through_a_compaction_finds_its_place_empty_and_is_refused(log: EntityLog) -> None:
    first = await log.append(CART, 1, record(1), after=0)
    second = await log.append(CART, 2, record(2), after=first)
    snapshot = await log.append(CART, 3, record(3, snapshot={"a": 1}), after=second)
    await log.drop_before(CART, snapshot, payloads=None)

    with pytest.raises(KeyLostError):
        await log.append(CART, 2, record(2, owner="sleeper"), after=first)
    entity = await log.load(CART)
    assert (entity.number, entity.sequence, entity.state) == (3, snapshot, {"a": 1})


async def test_a_log_that_was_not_compacted_for_long_is_read_all_the_same(log: EntityLog) -> None:
    sequence = 0
    for number in range(1, 1_101):
        sequence = await log.append(CART, number, record(number, values={"n": number}), after=sequence)

    assert (await log.load(CART)).state == {"n": 1_100}
