"""Puts the gateway together: a client on the service's own connection, behind HTTP."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import structlog

from towpath.client import Client
from towpath_chassis.service import Chassis
from towpath_gateway.http import http_app
from towpath_gateway.serving import serving
from towpath_gateway.settings import Settings

log = structlog.get_logger(__name__)


@asynccontextmanager
async def app(chassis: Chassis[Settings]) -> AsyncGenerator[None]:
    """Serve HTTP until the end of the block."""
    settings = chassis.settings
    async with Client.over(chassis.js, patience_s=settings.patience_s) as client:
        application = http_app(client, chassis.health, chassis.tracing, tenant=settings.tenant)
        served = serving(application, settings.http_host, settings.http_port, drain_s=settings.drain_s)
        async with served as port:
            log.info("http is served", host=settings.http_host, port=port)
            yield
