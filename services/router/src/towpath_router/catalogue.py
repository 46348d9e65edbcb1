"""Knows which service offers a component, as the catalogue stream has it."""

import structlog
from pydantic import ValidationError

from towpath_chassis.jetstream import JetStream
from towpath_schemas import subjects
from towpath_schemas.components import ComponentKind, ServiceRegistered
from towpath_schemas.streams import CATALOGUE

log = structlog.get_logger(__name__)

RUNNABLE: tuple[ComponentKind, ...] = ("workflow", "agent", "function")
"""What a request may start; of one name, the first kind is meant."""


class Catalogue:
    """The registrations of all services, as the stream has them."""

    def __init__(self, js: JetStream) -> None:
        self._js = js
        self._services: dict[str, ServiceRegistered] = {}

    async def load(self) -> None:
        """Read all registrations."""
        stored = await self._js.newest_of_each(CATALOGUE, subjects.EVERY_REGISTRATION)
        services: dict[str, ServiceRegistered] = {}
        for message in stored:
            try:
                registered = ServiceRegistered.from_body(message.body)
            except ValidationError as error:
                log.warning("a registration cannot be read", subject=message.subject, reason=str(error))
            else:
                services[registered.service] = registered
        self._services = services

    async def find(self, name: str) -> tuple[str, ComponentKind] | None:
        """Find the service and the kind of the component that a request for `name` starts."""
        found = self._look_up(name)
        if found is None:
            await self.load()  # it may have been registered a moment ago
            found = self._look_up(name)
        return found

    def _look_up(self, name: str) -> tuple[str, ComponentKind] | None:
        offered: list[tuple[str, ComponentKind]] = [
            (registered.service, component.kind)
            for registered in self._services.values()
            for component in registered.components
            if component.name == name and component.kind in RUNNABLE
        ]
        return min(offered, key=_meant_first, default=None)

    @property
    def services(self) -> list[str]:
        """Names of all services."""
        return sorted(self._services)

    @property
    def known(self) -> list[str]:
        """Names of everything that can be started."""
        return sorted(
            {
                component.name
                for registered in self._services.values()
                for component in registered.components
                if component.kind in RUNNABLE
            }
        )


def _meant_first(offer: tuple[str, ComponentKind]) -> tuple[int, str]:
    service, kind = offer
    return RUNNABLE.index(kind), service
