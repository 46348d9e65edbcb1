"""A broker of each test's own, and a connection to it."""

from collections.abc import AsyncGenerator

import pytest

from towpath_chassis.jetstream import JetStream
from towpath_chassis.service import connection
from towpath_chassis.streams import ensure_streams
from towpath_testkit.servers import Servers, servers


@pytest.fixture
async def broker() -> AsyncGenerator[Servers]:
    async with servers(redis=False) as started:
        yield started


@pytest.fixture
async def js(broker: Servers) -> AsyncGenerator[JetStream]:
    async with connection(broker.nats.url, name="test") as (_, js):
        await ensure_streams(js)
        yield js
