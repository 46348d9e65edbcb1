"""Entities of two tenants share nothing, though their types and keys are the same."""

import pytest

from towpath_schemas import subjects
from towpath_schemas.attribution import Attribution
from towpath_schemas.calls import Answered
from towpath_schemas.streams import DEAD, ENTITIES
from towpath_testkit.entities import invocation
from towpath_testkit.entity_stage import EntityStage, eventually

pytestmark = pytest.mark.live

OTHER = Attribution(tenant="other")


async def test_two_tenants_with_the_same_type_and_key_share_nothing(stage: EntityStage) -> None:
    async with stage.store():
        mine = await stage.run.call("c", "add", "a")
        theirs = await stage.run.call("c", "add", "b", attribution=OTHER)
        items = (await stage.run.read("c", "items")).result
        their_items = (await stage.run.read("c", "items", attribution=OTHER)).result
        copies = await stage.redis.keys("towpath:*:entity:*")

    assert (mine.result, theirs.result) == (1, 1)
    assert (items, their_items) == (["a"], ["b"])
    assert len(copies) == 2


async def test_a_call_in_the_mailbox_of_another_tenant_is_buried_and_changes_nothing(
    stage: EntityStage,
) -> None:
    forged = invocation("c", "add", "a", attribution=OTHER)
    await stage.js.publish(subjects.mailbox("acme", "Cart", "c"), forged.to_body())

    async def is_buried() -> bool:
        return await stage.js.last(DEAD, subjects.dead_in(ENTITIES.name)) is not None

    async with stage.store():
        await eventually(is_buried)
        items = (await stage.run.read("c", "items")).result
        their_items = (await stage.run.read("c", "items", attribution=OTHER)).result

    assert (items, their_items) == ([], [])


async def test_a_read_on_the_subject_of_another_tenant_is_refused(stage: EntityStage) -> None:
    forged = invocation("c", "items", attribution=OTHER)
    async with stage.store():
        await stage.run.call("c", "add", "secret", attribution=OTHER)
        asked = await stage.js.request(
            subjects.entity_read("acme", "Cart", "c"), forged.to_body(), within_s=10
        )
        answer = Answered.from_body(asked.data)

    assert answer.failure is not None
    assert (answer.failure.code, answer.result) == ("forbidden", None)
