"""A service is upgraded runner by runner: who lacks some code leaves it to those who have it, and nothing is claimed in vain."""

import asyncio
from collections.abc import Callable

import pytest

from towpath import Client, Context, function, workflow
from towpath.components import REGISTRY, Registry
from towpath_chassis.journal import newest_claim
from towpath_router.catalogue import Catalogue
from towpath_schemas import subjects
from towpath_schemas.journal import RunStarted, RunSuspended
from towpath_schemas.streams import runner_consumer
from towpath_testkit.builders import SERVICE
from towpath_testkit.hosting import Platform
from towpath_testkit.servers import Servers
from towpath_testkit.settled import until

pytestmark = pytest.mark.live


def code(define: Callable[[], object]) -> Registry:
    """Make a registry of what `define` decorates."""
    define()
    made = Registry()
    for component in REGISTRY:
        made.add(component)
    REGISTRY.clear()
    return made


def of_version(version: str) -> Registry:
    def define() -> None:
        @workflow(version=version)
        async def pinned(ctx: Context) -> str:
            await ctx.signal("go")
            return f"by {version}"

    return code(define)


def newer() -> Registry:
    def define() -> None:
        @function(retries=1)
        async def charge() -> str:
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
    old, new = of_version("1"), of_version("2")
    await towpath.agent_runner(old)
    newest = await towpath.agent_runner(new)

    again = await towpath.agent_runner(old)
    described = await version_of_new_runs(towpath)
    await asyncio.gather(newest.stop(), again.stop())
    await towpath.agent_runner(old)

    assert described == "2"
    assert await version_of_new_runs(towpath) == "1"


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
