"""A router on a broker of each test's own, in front of a service that only its registration stands for."""

from collections.abc import AsyncGenerator

import pytest

from towpath_schemas import subjects
from towpath_schemas.components import ComponentDescribed, ServiceRegistered
from towpath_testkit.builders import SERVICE
from towpath_testkit.hosting import Platform, own_registry, platform
from towpath_testkit.servers import Servers, servers


@pytest.fixture
async def broker() -> AsyncGenerator[Servers]:
    async with servers(redis=False) as started:
        yield started


@pytest.fixture
async def towpath(broker: Servers) -> AsyncGenerator[Platform]:
    with own_registry():
        async with platform(broker.nats.url) as hosting:
            offered = (
                ComponentDescribed(name="greet", kind="workflow"),
                ComponentDescribed(name="look_up", kind="tool"),
                ComponentDescribed(name="Cart", kind="entity"),
            )
            registered = ServiceRegistered(service=SERVICE, version="1", components=offered)
            await hosting.js.publish(subjects.catalogue(SERVICE), registered.to_body())
            await hosting.router()
            yield hosting
