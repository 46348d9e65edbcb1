"""Knows which service offers a component, as the catalogue stream has it."""

from typing import NamedTuple

from pydantic import ValidationError

from towpath_chassis.burying import Unhandled, bury
from towpath_chassis.jetstream import JetStream
from towpath_chassis.messages import StoredMessage
from towpath_schemas import subjects
from towpath_schemas.components import ComponentKind, ServiceRegistered
from towpath_schemas.shape import problems
from towpath_schemas.streams import CATALOGUE, ROUTER_CATALOGUE

RUNNABLE: tuple[ComponentKind, ...] = ("workflow", "agent", "function")
"""What a request may start; of one name, the first kind is meant."""


class Offer(NamedTuple):
    """Who runs a component, what kind of component it is, and the version that new runs begin with."""

    service: str
    kind: ComponentKind
    version: str | None = None


class Catalogue:
    """The registrations of all services, as the stream has them."""

    def __init__(self, js: JetStream) -> None:
        self._js = js
        self._services: dict[str, ServiceRegistered] = {}
        self._given_up: set[int] = set()

    async def load(self) -> None:
        """Read all registrations."""
        stored = await self._js.newest_of_each(CATALOGUE, subjects.EVERY_REGISTRATION)
        services: dict[str, ServiceRegistered] = {}
        for message in stored:
            try:
                registered = ServiceRegistered.from_body(message.body)
            except ValidationError as error:
                await self._give_up(message, f"this is no registration: {problems(error)}")
            else:
                services[registered.service] = registered
        self._services = services

    async def _give_up(self, message: StoredMessage, reason: str) -> None:
        """Keep a dead letter about a registration; it stays where it is, so it comes again with each reading."""
        if message.sequence not in self._given_up:
            await bury(
                self._js, Unhandled.stored(CATALOGUE, ROUTER_CATALOGUE, message), reason=reason, attempts=1
            )
            self._given_up.add(message.sequence)

    async def find(self, name: str, *, service: str | None = None) -> Offer | None:
        """Find the component that a request for `name` starts; None means any `service`."""
        found = self._look_up(name, service)
        if found is None:
            await self.load()  # it may have been registered a moment ago
            found = self._look_up(name, service)
        return found

    def _look_up(self, name: str, service: str | None) -> Offer | None:
        offered = [
            Offer(registered.service, component.kind, component.version)
            for registered in self._services.values()
            if service in {None, registered.service}
            for component in reversed(
                registered.components
            )  # of several versions, the last one is the newest
            if component.name == name and component.kind in RUNNABLE
        ]
        return min(offered, key=_meant_first, default=None)

    @property
    def services(self) -> list[str]:
        """Names of all services."""
        return sorted(self._services)

    def unknown(self, name: str, *, service: str | None = None) -> str:
        """Say that nobody offers a component, and what there is."""
        known = ", ".join(self.known) or "none"
        who = f"service {service!r} does not offer" if service else "no service offers"
        return f"{who} a component {name!r}; there are: {known}"

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


def _meant_first(offer: Offer) -> tuple[int, str]:
    return RUNNABLE.index(offer.kind), offer.service
