"""What the platform journals of the golden lives is what the platform in virtual time journals, and is replayed alike."""

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Generator

import pytest
import pytest_asyncio

from towpath import Client
from towpath.components import REGISTRY, Registry
from towpath.testing import check_replay
from towpath.testing.host import SERVICE
from towpath.testing.journals import Entries, read_journal
from towpath_cli.embedded import free_port
from towpath_cli.one_loop import in_one_loop
from towpath_cli.plan import Plan
from towpath_schemas.journal import RunFinished, RunResumed, RunSuspended
from towpath_testkit.golden.lives import LIVES
from towpath_testkit.golden.recording import APP, SOURCE, lived, registry_of
from towpath_testkit.servers import servers

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="module")]

QUICK = [
    "steps",
    "stopped_branches",
    "failed",
    "result_that_is_no_json",
    "entities",
    "agent",
    "agents_in_a_workflow",
    "models",
    "streaming_function",
    "retried_function",
    "continued_as_new",
]
"""Lives in which nothing is waited for that takes long, and nobody else takes part."""


@pytest.fixture(scope="module")
def loaded_here_only() -> Generator[None]:
    """Leave the registry of the process as it was."""
    known = [*REGISTRY]
    REGISTRY.clear()
    yield
    for module in [name for name in sys.modules if name.startswith(APP)]:
        del sys.modules[module]
    REGISTRY.clear()
    for component in known:
        REGISTRY.add(component)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory, loaded_here_only: None) -> AsyncGenerator[Client]:
    directory = tmp_path_factory.mktemp("platform")
    async with servers(directory) as started:
        plan = Plan(
            app=APP,
            service_name=SERVICE,
            nats_url=started.nats.url,
            redis_url=started.redis.url,
            directory=directory,
            http_port=free_port(),
        )
        async with in_one_loop(plan), Client(started.nats.url) as opened:
            yield opened


@pytest.fixture(scope="module")
def code() -> Registry:
    return registry_of(SOURCE)


def acts(entries: Entries) -> Counter[tuple[str, str]]:
    """Count what a journal says, but for when the run was in memory."""
    return Counter(
        (record.kind, getattr(record, "key", ""))
        for _, record in entries
        if not isinstance(record, RunResumed | RunSuspended)
    )


@pytest.mark.parametrize("name", QUICK)
async def test_a_life_is_journaled_and_replayed_as_in_virtual_time(
    name: str, client: Client, code: Registry
) -> None:
    life = LIVES[name]
    run_id = await client.start(life.component, life.input)
    ended = await client.ended(run_id, 20)

    journal = await client.journal(run_id)

    (virtual, *_) = await lived(life)
    assert acts(journal) == acts(read_journal(virtual))
    replayed = await asyncio.to_thread(check_replay, life.component, journal, registry=code)
    recorded = journal[-1][1]
    assert isinstance(recorded, RunFinished)
    assert recorded.end == ended.status
    if replayed.ended is not None:
        assert (replayed.ended.end, replayed.ended.result) == (recorded.end, recorded.result)
