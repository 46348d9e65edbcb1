"""Tells the platform what this process offers."""

from typing import Any

from towpath.components import Registry, built_in_types
from towpath_chassis.service import Chassis
from towpath_schemas import subjects
from towpath_schemas.catalogue import event_type_of
from towpath_schemas.components import ServiceRegistered


async def register(chassis: Chassis[Any], registry: Registry, *, service: str, version: str) -> None:
    """Put the components of `registry` into the catalogue, where the newest registration of a service holds.

    Raises:
        RegistrationError: If several agents or tools have one name.
    """
    registry.check()
    registered = ServiceRegistered(
        service=service,
        version=version,
        components=tuple(component.described() for component in (*registry, *built_in_types())),
    )
    headers = chassis.envelope(event_type_of(ServiceRegistered)).headers()
    await chassis.js.publish(subjects.catalogue(service), registered.to_body(), headers=headers)
