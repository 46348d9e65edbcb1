"""A whole platform in the event loop of each test."""

import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from towpath import Client
from towpath_chassis.jetstream import JetStream
from towpath_cli.embedded import free_port
from towpath_cli.one_loop import in_one_loop
from towpath_cli.plan import Plan
from towpath_testkit.hosting import own_registry
from towpath_testkit.servers import servers

HERE = Path(__file__).parent


@pytest.fixture
async def plan(tmp_path: Path) -> AsyncGenerator[Plan]:
    async with servers(tmp_path) as started:
        described = Plan(
            app=str(HERE / "poison_app.py"),
            nats_url=started.nats.url,
            redis_url=started.redis.url,
            directory=tmp_path,
            http_port=free_port(),
            settings={"max_attempts": "3", "drain_s": "1", "ack_wait_s": "5"},
        )
        for app in HERE.glob("*_app.py"):  # loaded again by each test, into a registry of its own
            sys.modules.pop(app.stem, None)
        with own_registry():
            async with in_one_loop(described):
                yield described


@pytest.fixture
async def client(plan: Plan) -> AsyncGenerator[Client]:
    async with Client(plan.nats_url, patience_s=60) as opened:
        yield opened


@pytest.fixture
def js(client: Client) -> JetStream:
    return client._connected
