"""A whole platform in the event loop of a module's tests."""

import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio
import structlog

from towpath import Client
from towpath_cli.embedded import free_port
from towpath_cli.one_loop import in_one_loop
from towpath_cli.plan import Plan
from towpath_testkit.hosting import loaded_anew
from towpath_testkit.servers import servers

APP = Path(__file__).parent / "edge_app.py"


@pytest.fixture(autouse=True)
def logs_stay_where_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command would send the log lines of its process, which is the platform's too, to a stderr that is closed soon."""
    monkeypatch.setattr("towpath_cli.speech.configure_logs", _as_it_is)
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.__stderr__))


def _as_it_is(_settings: object, **_of: object) -> None:
    pass


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def plan(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Plan]:
    directory = tmp_path_factory.mktemp("platform")
    async with servers(directory) as started:
        described = Plan(
            app=str(APP),
            nats_url=started.nats.url,
            redis_url=started.redis.url,
            directory=directory,
            http_port=free_port(),
        )
        with loaded_anew(APP):
            async with in_one_loop(described):
                yield described


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(plan: Plan) -> AsyncGenerator[Client]:
    async with Client(plan.nats_url) as opened:
        yield opened
