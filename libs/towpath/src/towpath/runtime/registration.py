"""Loads what this process offers, and tells the platform."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import structlog

from towpath.components import REGISTRY, Registry, built_in_types
from towpath.runtime.loading import load_app
from towpath.runtime.runner_settings import RunnerSettings
from towpath.secrecy import redacted
from towpath_chassis.editions import Editions, edition_of
from towpath_chassis.errors import BrokerError, FencedError
from towpath_chassis.logs import redact_logs
from towpath_chassis.messages import Expect, Message
from towpath_chassis.service import Chassis
from towpath_chassis.subscribing import subscribed
from towpath_chassis.tasks import background
from towpath_schemas import subjects
from towpath_schemas.calls import Taken
from towpath_schemas.catalogue import event_type_of
from towpath_schemas.components import ServiceRegistered

log = structlog.get_logger(__name__)

_LOOK_EVERY_S = 5.0


def loaded(chassis: Chassis[RunnerSettings]) -> Registry:
    """Load the user code that the settings name; its spans are told, and its secrets stay out of the logs.

    Raises:
        ConfigurationError: If it cannot be loaded.
    """
    load_app(chassis.settings.app)
    chassis.tracing.include_user_code()
    redact_logs(redacted)
    return REGISTRY


@asynccontextmanager
async def registered(chassis: Chassis[RunnerSettings], registry: Registry) -> AsyncGenerator[None]:
    """Offer the components of `registry` until the end of the block.

    The catalogue describes them unless somebody runs newer code of the service, and as soon as nobody does any more.

    Raises:
        RegistrationError: If several agents or tools have one name.
    """
    registry.check()
    service = chassis.settings.service
    offered = ServiceRegistered(
        service=service,
        version=chassis.settings.service_version,
        components=tuple(component.described() for component in (*registry, *built_in_types())),
    )
    registration = _Registration(chassis, offered)
    async with subscribed(chassis, subjects.serving(service, registration.edition), _here, workers=1):
        await registration.describe()
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

    async def describe(self) -> None:
        """Have the catalogue describe it, unless somebody runs newer code."""
        await self._editions.add(self._offered)
        described = await self._editions.described()
        while await self._editions.is_newest(self.edition):
            try:
                await self._publish(Expect(described.sequence))
            except FencedError:  # others have registered meanwhile, maybe newer code that was not there yet
                described = await self._editions.described()
            else:
                return

    async def _publish(self, unchanged: Expect) -> None:
        envelope = self._chassis.envelope(event_type_of(ServiceRegistered), id=self.edition)
        subject = subjects.catalogue(self._offered.service)
        body = self._offered.to_body()
        await self._chassis.js.publish(subject, body, headers=envelope.headers(), expect=unchanged)

    async def keep(self) -> None:
        """See again and again, for ever, that it is described if it is to: runners of newer code come and go."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            try:
                if (await self._editions.described()).edition != self.edition:
                    await self.describe()
            except BrokerError as error:
                log.info("the catalogue was not looked at; it will be", reason=str(error))
