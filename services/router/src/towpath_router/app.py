"""Puts the router together: the doors, waking, recovery."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from towpath_chassis.presence import Watch
from towpath_chassis.service import Chassis
from towpath_chassis.tasks import background
from towpath_router.catalogue import Catalogue
from towpath_router.children import Children
from towpath_router.dispatching import Dispatcher
from towpath_router.door import Door
from towpath_router.ending import Ending
from towpath_router.finishing import Finisher
from towpath_router.followers import Followers
from towpath_router.gates.gates import Gates
from towpath_router.gates.rulings import Rulings
from towpath_router.handlers import handling
from towpath_router.lines import Lines
from towpath_router.passing import Passage
from towpath_router.recovery import Recovery
from towpath_router.registrations import Registrations
from towpath_router.runs import Runs
from towpath_router.schedules.changing import ScheduleChanger
from towpath_router.schedules.declaring import DeclaredSchedules
from towpath_router.schedules.due import DueSchedules
from towpath_router.schedules.kept import Schedules
from towpath_router.schedules.starting import ScheduledRuns
from towpath_router.settings import Settings
from towpath_router.starting import Starter
from towpath_router.succession import Succession
from towpath_router.tidying import Tidying
from towpath_router.unbegun import Unbegun
from towpath_router.verbs import verbs
from towpath_router.waking import Waker


@asynccontextmanager
async def app(chassis: Chassis[Settings]) -> AsyncGenerator[None]:
    """Route until the end of the block."""
    js = chassis.js
    catalogue, runs, dispatcher, followers = Catalogue(js), Runs(js), Dispatcher(js), Followers(js)
    await catalogue.load()
    finisher, gates = Finisher(chassis, runs), Gates(js, Rulings(catalogue))
    unbegun = Unbegun(js, runs, finisher)
    passage = Passage(js, runs, gates, dispatcher, unbegun)
    starter = Starter(js, catalogue, runs, dispatcher, passage)
    lines = Lines(js, runs)
    succession = Succession(js, runs, lines)
    waker = Waker(js, runs, succession, starter, unbegun)
    children = Children(js, catalogue, runs, starter, succession)
    ending = Ending(js, succession, children, passage, followers)
    schedules, scheduled = Schedules(js), ScheduledRuns(catalogue, starter, chassis.tracing)
    changer = ScheduleChanger(js, catalogue, schedules, scheduled)
    declared, due = (
        DeclaredSchedules(js, catalogue, schedules),
        DueSchedules(js, schedules, runs, succession, scheduled),
    )
    offered = verbs(
        chassis,
        catalogue,
        runs,
        succession,
        starter,
        lines=lines,
        ending=ending,
        finisher=finisher,
        schedules=changer,
    )
    door, tidying = Door(chassis, offered), Tidying(js, gates, passage)
    registrations = Registrations(js, catalogue, on_registered=declared.look, on_other_rules=tidying.look)
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
        background(registrations.keep_up, name="registrations"),
        background(tidying.keep_tidy, name="gates"),
        background(declared.run, name="declared-schedules"),
        handling(
            chassis,
            door=door,
            waker=waker,
            children=children,
            ending=ending,
            passage=passage,
            followers=followers,
            due=due,
        ),
    ):
        yield
