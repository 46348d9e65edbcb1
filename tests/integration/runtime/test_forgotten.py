"""A run that has ended and was forgotten is not begun again by a message that its runners still have or get."""

import asyncio

import pytest

from towpath import WorkflowContext, workflow
from towpath_chassis.errors import FencedError
from towpath_chassis.journal import claim
from towpath_schemas import subjects
from towpath_schemas.journal import CallIntended, RunPurged
from towpath_schemas.requests import ControlRequested, RequestDone
from towpath_schemas.streams import JOURNAL, RUNS, runner_consumer
from towpath_testkit.asking import ask
from towpath_testkit.builders import SERVICE
from towpath_testkit.hosting import Platform
from towpath_testkit.settled import messages_in, settled, until

pytestmark = pytest.mark.live

WISH = ControlRequested(reason="she asked us to")


@pytest.fixture
def charged() -> list[str]:
    """What the workflow `pays` has paid, in this process; then it waits for another run."""
    paid: list[str] = []

    @workflow
    async def prints(ctx: WorkflowContext) -> object:
        return await ctx.signal("printed")

    @workflow
    async def pays(ctx: WorkflowContext, card: str) -> object:
        await ctx.step("charge", paid.append, card)
        return await ctx.spawn(prints).result()

    return paid


async def forget(towpath: Platform, run_id: str, *, end: str) -> None:
    assert isinstance(await ask(towpath.js, end, run_id, WISH), RequestDone)
    assert isinstance(await ask(towpath.js, "purge", run_id, WISH), RequestDone)


async def assert_only_its_note_is_left(towpath: Platform, run_id: str) -> None:
    assert [type(record) for record in await towpath.journal(run_id)] == [RunPurged]
    (claimed,) = await towpath.js.following(JOURNAL, subjects.claims_of(run_id), start=1)
    assert int(claimed.headers["Nats-TTL"].rstrip("s")) > 0, "it goes when the note does"


@pytest.mark.parametrize("end", ["cancel", "terminate"])
async def test_a_run_that_was_forgotten_before_anybody_began_it_is_never_begun(
    towpath: Platform, charged: list[str], end: str
) -> None:
    await asyncio.gather(towpath.router(), towpath.audit_sink())
    first = await towpath.agent_runner()
    await first.stop()  # it has told what it serves
    run_id = await towpath.start("pays", {"card": "one"})
    await until(lambda: messages_in(towpath.js, RUNS), lambda waiting: waiting == 1)
    await forget(towpath, run_id, end=end)

    await towpath.agent_runner()
    await settled(towpath.js, RUNS, runner_consumer(SERVICE))

    assert await messages_in(towpath.js, RUNS) == 0
    assert charged == []
    await assert_only_its_note_is_left(towpath, run_id)


async def test_a_run_that_was_ended_under_its_runner_and_forgotten_is_not_begun_again(
    towpath: Platform, charged: list[str]
) -> None:
    await asyncio.gather(towpath.router(), towpath.audit_sink(), towpath.agent_runner(ack_wait_s=0.5))
    run_id = await towpath.start("pays", {"card": "one"})
    await towpath.until(run_id, CallIntended)

    await forget(towpath, run_id, end="terminate")
    await until(lambda: messages_in(towpath.js, RUNS), lambda waiting: waiting == 0)

    assert charged == ["one"]
    await assert_only_its_note_is_left(towpath, run_id)


async def test_a_run_that_the_router_has_ended_is_not_handed_out_again(
    towpath: Platform, charged: list[str]
) -> None:
    await asyncio.gather(towpath.router(), towpath.agent_runner(ack_wait_s=600))
    run_id = await towpath.start("pays", {"card": "one"})
    await towpath.until(run_id, CallIntended)

    await ask(towpath.js, "terminate", run_id, WISH)

    await settled(towpath.js, RUNS, runner_consumer(SERVICE))
    assert await messages_in(towpath.js, RUNS) == 0
    assert charged == ["one"]


async def test_a_first_claim_is_refused_where_any_other_is(towpath: Platform) -> None:
    await claim(towpath.js, "run-1", "one", epoch=2)

    with pytest.raises(FencedError):
        await claim(towpath.js, "run-1", "two", epoch=1)
