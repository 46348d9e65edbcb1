"""Puts the router together: the doors, waking, recovery."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from towpath_chassis.presence import Watch
from towpath_chassis.service import Chassis
from towpath_chassis.tasks import background
from towpath_router.catalogue import Catalogue
from towpath_router.children import Children
from towpath_router.door import Door
from towpath_router.ending import Ending
from towpath_router.handlers import handling
from towpath_router.recovery import Recovery
from towpath_router.runs import Runs
from towpath_router.settings import Settings
from towpath_router.starting import Starter
from towpath_router.verbs import verbs
from towpath_router.waking import Waker


@asynccontextmanager
async def app(chassis: Chassis[Settings]) -> AsyncGenerator[None]:
    """Route until the end of the block."""
    js = chassis.js
    catalogue, runs, starter = Catalogue(js), Runs(js), Starter(js)
    await catalogue.load()
    waker, children = Waker(js, runs, starter), Children(js, catalogue, runs, starter)
    ending = Ending(js, runs, children)
    door = Door(chassis, verbs(chassis, catalogue, runs, starter, ending))
    recovery = Recovery(js, waker)
    watch = Watch(js, recovery.on_lost, lost_after_s=chassis.settings.lost_after_s)
    await watch.listen()

    async def look_back_once() -> None:
        await asyncio.sleep(chassis.settings.lost_after_s)
        await recovery.look_back(catalogue.services, watch.alive("agent-runner"))
        await asyncio.Event().wait()  # from here on, those who are lost are heard of

    async with (
        background(look_back_once, name="look-back"),
        background(watch.report, name="watch"),
        handling(chassis, catalogue=catalogue, door=door, waker=waker, children=children, ending=ending),
    ):
        yield
