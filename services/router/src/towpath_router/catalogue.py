"""Knows which service offers a component, as the catalogue stream has it."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from pydantic import ValidationError

from towpath_chassis.burying import Unhandled, bury
from towpath_chassis.errors import PayloadLostError
from towpath_chassis.jetstream import JetStream
from towpath_chassis.payloads import is_by_reference, named
from towpath_chassis.reading import Got
from towpath_schemas import subjects
from towpath_schemas.components import ComponentKind, ServiceRegistered
from towpath_schemas.inputs import ParameterNames
from towpath_schemas.limits import Limit
from towpath_schemas.shape import problems
from towpath_schemas.streams import CATALOGUE, ROUTER_CATALOGUE

_PAGE = 64
Rules = list[tuple[str, ComponentKind, str, tuple[Limit, ...]]]
"""What all components declare: each one's service, kind, name and limits."""

RUNNABLE: tuple[ComponentKind, ...] = ("workflow", "agent", "function")
"""What a request may start; of one name, the first kind is meant."""


class Offer(NamedTuple):
    """Who runs a component, and of what kind, version, limits and parameters it is for new runs."""

    service: str
    kind: ComponentKind
    version: str | None = None
    limits: tuple[Limit, ...] = ()
    parameters: ParameterNames | None = None


class EntityOffer(NamedTuple):
    """Who has the code of a type of entity, and its methods: whether each only reads."""

    service: str
    methods: dict[str, bool]


class Registration(NamedTuple):
    """What a service registered last, and where that is in the catalogue."""

    registered: ServiceRegistered
    sequence: int


class Catalogue:
    """The registrations of all services, as the stream has them.

    Attributes:
        read_through: How far the stream was read.
    """

    def __init__(self, js: JetStream) -> None:
        self._js = js
        self._services: dict[str, Registration] = {}
        self.read_through = 0
        self._reading = asyncio.Lock()

    async def load(self) -> None:
        """Read the registrations that were not read before; those who ask at the same time wait for one another."""
        async with self._reading:
            every = subjects.EVERY_REGISTRATION
            while page := await self._js.following(
                CATALOGUE, every, start=self.read_through + 1, limit=_PAGE, whole=False
            ):
                for message in page:
                    await self._take(message.subject, message.sequence, message.headers, message.body)

    async def learn(self, registrations: Iterable[Got]) -> None:
        """Take in registrations as they come, in their order; those that were read before change nothing.

        Raises:
            BrokerError: If one of them could not be read to its end; learn them again.
        """
        async with self._reading:
            for one in registrations:
                if one.sequence > self.read_through:
                    await self._take(one.subject, one.sequence, one.headers, one.body)

    async def _take(self, subject: str, sequence: int, headers: Mapping[str, str], body: bytes) -> None:
        try:
            whole = await self._js.payloads.fetch(named(body)) if is_by_reference(headers) else body
            registered = ServiceRegistered.from_newer_body(whole)
        except PayloadLostError as lost:
            await self._give_up(sequence, str(lost))
        except ValidationError as error:
            await self._give_up(sequence, f"this is no registration: {problems(error)}")
        else:
            if subject == subjects.catalogue(registered.service):
                self._services[registered.service] = Registration(registered, sequence)
            else:
                await self._give_up(sequence, f"service {registered.service!r} registers elsewhere")
        self.read_through = sequence

    async def _give_up(self, sequence: int, reason: str) -> None:
        """Keep a dead letter about a registration, which stays where it is: what was registered before holds."""
        message = await self._js.at(CATALOGUE, sequence, whole=False)
        if message is not None:  # else another has taken its place
            unhandled = Unhandled.stored(CATALOGUE, ROUTER_CATALOGUE, message)
            await bury(self._js, unhandled, reason=reason, attempts=1)

    async def find(self, name: str, *, service: str | None = None) -> Offer | None:
        """Find the component that a request for `name` starts; None means any `service`."""
        found = self.look_up(name, service)
        if found is None:
            await self.load()  # it may have been registered a moment ago
            found = self.look_up(name, service)
        return found

    def look_up(self, name: str, service: str | None = None) -> Offer | None:
        """Find the component among those that were read."""
        offered = [
            Offer(
                registered.service, component.kind, component.version, component.limits, component.parameters
            )
            for registered, _ in self._services.values()
            if service in {None, registered.service}
            for component in reversed(
                registered.components
            )  # of several versions, the last one is the newest
            if component.name == name and component.kind in RUNNABLE
        ]
        return min(offered, key=_meant_first, default=None)

    async def find_entity(self, entity_type: str, method: str) -> EntityOffer | None:
        """Find who has the code of a type of entity, preferably with a method."""
        found = self._entity(entity_type)
        if found is None or method not in found.methods:
            await self.load()  # it may have been registered a moment ago
            found = self._entity(entity_type)
        return found

    def _entity(self, entity_type: str) -> EntityOffer | None:
        offered = (
            EntityOffer(registered.service, {method.name: method.shared for method in component.methods})
            for registered, _ in self._services.values()
            for component in registered.components
            if component.kind == "entity" and component.name == entity_type
        )
        return min(offered, key=lambda offer: offer.service, default=None)

    def unknown_entity(self, entity_type: str) -> str:
        """Say that nobody has the code of a type of entity, and which there are."""
        known = {
            component.name
            for registered, _ in self._services.values()
            for component in registered.components
            if component.kind == "entity"
        }
        return f"no service has an entity {entity_type!r}; there are: {', '.join(sorted(known)) or 'none'}"

    @property
    def limits(self) -> list[Limit]:
        """All that any component declares."""
        described = (one for registered, _ in self._services.values() for one in registered.components)
        return [limit for component in described for limit in component.limits]

    @property
    def rules(self) -> Rules:
        """What each component declares; as long as this stays the same, so does the rule of every gate."""
        return [
            (registered.service, component.kind, component.name, component.limits)
            for registered, _ in self._services.values()
            for component in registered.components
        ]

    @property
    def registrations(self) -> list[Registration]:
        """What each service registered last, in the order of their names."""
        return [self._services[service] for service in self.services]

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
                for registered, _ in self._services.values()
                for component in registered.components
                if component.kind in RUNNABLE
            }
        )


def _meant_first(offer: Offer) -> tuple[int, str]:
    return RUNNABLE.index(offer.kind), offer.service
