"""Puts a tool-runner together: it executes calls of functions and tools."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from towpath.components import REGISTRY, Registry
from towpath.runtime.loading import load_app
from towpath.runtime.registration import registered
from towpath.runtime.tool_host import ToolHost
from towpath.secrecy import redacted
from towpath_chassis.logs import redact_logs
from towpath_chassis.pulling import pulled
from towpath_chassis.service import Chassis
from towpath_schemas import subjects
from towpath_schemas.streams import TOOLS, tools_consumer
from towpath_tool_runner.settings import Settings


@asynccontextmanager
async def app(chassis: Chassis[Settings]) -> AsyncGenerator[None]:
    """Execute calls until the end of the block."""
    load_app(chassis.settings.app)
    chassis.tracing.include_user_code()
    redact_logs(redacted)
    async with serving(chassis, REGISTRY):
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
        registered(chassis, registry, service=settings.service, version=settings.service_version),
    ):
        yield
