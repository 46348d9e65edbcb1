"""Puts an agent-runner together: it hosts runs and the methods of entities."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from towpath.components import Registry
from towpath.runtime.entity_host import EntityHost
from towpath.runtime.registration import loaded, registered
from towpath.runtime.run_host import RunHost
from towpath_agent_runner.settings import Settings
from towpath_chassis.pulling import pulled
from towpath_chassis.service import Chassis
from towpath_chassis.tasks import background
from towpath_schemas import subjects
from towpath_schemas.streams import RUNS, runner_consumer


@asynccontextmanager
async def app(chassis: Chassis[Settings]) -> AsyncGenerator[None]:
    """Host runs until the end of the block."""
    async with serving(chassis, loaded(chassis)):
        yield


@asynccontextmanager
async def serving(chassis: Chassis[Settings], registry: Registry) -> AsyncGenerator[None]:
    """Host runs of the components in `registry` until the end of the block."""
    settings = chassis.settings
    runs = RunHost(
        chassis, registry, suspend_after_s=settings.suspend_after_s, max_losses=settings.max_losses
    )
    async with (
        EntityHost(chassis, registry).serving(settings.service),
        background(runs.look_after, name="look-after"),
        pulled(
            chassis,
            RUNS,
            runner_consumer(settings.service),
            subjects.dispatches_of(settings.service),
            runs.on_dispatch,
            capacity=settings.capacity,
        ),
        registered(chassis, registry),
    ):
        yield
