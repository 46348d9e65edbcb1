"""What ends its process each time it is begun is given up with its reason, and all others are done."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from towpath import Client, ComponentError
from towpath_testkit.stage import Stage

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]

APP = Path(__file__).with_name("deadly.py")
LOSSES = 3
_LOOK_EVERY_S = 0.05


@asynccontextmanager
async def started_again(stage: Stage, role: str) -> AsyncGenerator[list[int]]:
    """Start a service again as often as it ends, as Kubernetes does; yields the exit codes."""
    process, codes = stage.platform.services[role], list[int]()

    async def watch() -> None:
        while True:
            if not process.running:
                codes.append(1)
                await process.kill()  # what is left of it
                process.start()
            await asyncio.sleep(_LOOK_EVERY_S)

    watching = asyncio.create_task(watch())
    try:
        yield codes
    finally:
        watching.cancel()


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Generator[Stage]:
    settings = {"max_losses": str(LOSSES), "ack_wait_s": "1"}
    roles = ("router", "agent-runner", "tool-runner")
    started = Stage(APP, tmp_path_factory.mktemp("deadly"), settings=settings, roles=roles)
    asyncio.run(started.put_up())
    try:
        yield started
    finally:
        asyncio.run(started.take_down())


@pytest.mark.parametrize(
    ("workflow", "role"), [("calls_what_crashes", "tool-runner"), ("crashes", "agent-runner")]
)
async def test_code_that_ends_its_process_is_given_up_and_its_neighbours_are_done(
    stage: Stage, workflow: str, role: str
) -> None:
    async with Client(stage.nats_url) as client, started_again(stage, role) as ends:
        ended = asyncio.create_task(client.run(workflow, timeout_s=90))
        neighbours = [client.run("welcome", {"name": f"n{n}"}, timeout_s=90) for n in range(10)]

        assert await asyncio.gather(*neighbours) == [f"hello n{n}" for n in range(10)]
        with pytest.raises(ComponentError, match="each time its process ended") as failed:
            await ended

    assert failed.value.failure.code == "deadly"
    assert LOSSES <= len(ends) <= LOSSES + 2
