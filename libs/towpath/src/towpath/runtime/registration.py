"""Tells the platform what this process offers."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import structlog

from towpath.components import Registry, built_in_types
from towpath_chassis.editions import Editions, edition_of
from towpath_chassis.errors import BrokerError
from towpath_chassis.messages import Message
from towpath_chassis.service import Chassis
from towpath_chassis.subscribing import subscribed
from towpath_chassis.tasks import background
from towpath_schemas import subjects
from towpath_schemas.calls import Taken
from towpath_schemas.catalogue import event_type_of
from towpath_schemas.components import ServiceRegistered

log = structlog.get_logger(__name__)

_LOOK_EVERY_S = 5.0


@asynccontextmanager
async def registered(
    chassis: Chassis[Any], registry: Registry, *, service: str, version: str
) -> AsyncGenerator[None]:
    """Offer the components of `registry` until the end of the block.

    The catalogue describes them unless somebody runs newer code of the service, and as soon as nobody does any more.

    Raises:
        RegistrationError: If several agents or tools have one name.
    """
    registry.check()
    offered = ServiceRegistered(
        service=service,
        version=version,
        components=tuple(component.described() for component in (*registry, *built_in_types())),
    )
    registration = _Registration(chassis, offered)
    async with subscribed(chassis, subjects.serving(service, registration.edition), _here, workers=1):
        await registration.look()
        async with background(registration.keep, name="registration"):
            yield


async def _here(_message: Message) -> Taken:
    return Taken(taken=True)


class _Registration:
    """What this process offers, and whether the catalogue describes it."""

    def __init__(self, chassis: Chassis[Any], offered: ServiceRegistered) -> None:
        self.edition = edition_of(offered)
        self._chassis = chassis
        self._offered = offered
        self._editions = Editions(chassis.js, offered.service)

    async def look(self) -> None:
        """Have the catalogue describe it, if it is to."""
        await self._editions.add(self._offered)
        if await self._editions.is_due(self.edition):
            envelope = self._chassis.envelope(event_type_of(ServiceRegistered), id=self.edition)
            subject = subjects.catalogue(self._offered.service)
            await self._chassis.js.publish(subject, self._offered.to_body(), headers=envelope.headers())

    async def keep(self) -> None:
        """Look again and again, for ever: runners of newer code come and go."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            try:
                await self.look()
            except BrokerError as error:
                log.info("the catalogue was not looked at; it will be", reason=str(error))
