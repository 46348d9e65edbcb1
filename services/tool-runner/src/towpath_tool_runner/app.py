"""Puts a tool-runner together: it executes calls of functions and tools."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from towpath.components import Registry
from towpath.runtime.registration import loaded, registered
from towpath.runtime.tool_host import ToolHost
from towpath_chassis.pulling import pulled
from towpath_chassis.service import Chassis
from towpath_schemas import subjects
from towpath_schemas.streams import TOOLS, tools_consumer
from towpath_tool_runner.settings import Settings


@asynccontextmanager
async def app(chassis: Chassis[Settings]) -> AsyncGenerator[None]:
    """Execute calls until the end of the block."""
    async with serving(chassis, loaded(chassis)):
        yield


@asynccontextmanager
async def serving(chassis: Chassis[Settings], registry: Registry) -> AsyncGenerator[None]:
    """Execute calls of the components in `registry` until the end of the block."""
    settings = chassis.settings
    host = ToolHost(chassis, registry, timeout_s=settings.timeout_s, max_losses=settings.max_losses)
    async with (
        pulled(
            chassis,
            TOOLS,
            tools_consumer(settings.service),
            subjects.calls_of(settings.service),
            host.on_call,
            capacity=settings.capacity,
        ),
        registered(chassis, registry),
    ):
        yield
