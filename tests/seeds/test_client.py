"""The sample about the client in the documentation of agnt5, against a platform, as it is written there.

Two things are others. Decision 79: a client is given the broker (`nats://...`), where the sample has the gateway's URL.
And it is opened by `async with`, so that its connection has an end. The samples that call a function over HTTP need the
gateway's `POST /call`.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from towpath import Client
from towpath_cli.embedded import free_port
from towpath_cli.one_loop import in_one_loop
from towpath_cli.plan import Plan
from towpath_testkit.servers import servers

pytestmark = pytest.mark.live


@pytest.fixture
async def url(tmp_path: Path) -> AsyncIterator[str]:
    """A platform that has the data pipeline."""
    async with servers(tmp_path) as started:
        plan = Plan(
            app=str(Path(__file__).with_name("pipeline_app.py")),
            nats_url=started.nats.url,
            redis_url=started.redis.url,
            directory=tmp_path,
            http_port=free_port(),
        )
        async with in_one_loop(plan):
            yield started.nats.url


async def test_workflow_execution(url: str) -> None:
    async with Client(url) as client:
        # Trigger workflow
        result = await client.start_workflow(
            workflow_name="data_pipeline", input_data={"source": "test_data"}
        )

        workflow_id = result["workflow_id"]

        # Poll for completion
        while True:
            status = await client.get_workflow_status(workflow_id)
            if status["state"] in ["completed", "failed"]:
                break
            await asyncio.sleep(1)

        assert status["state"] == "completed"

        assert status["result"] == {
            "extract": ["test_data", "row"],
            "transform": ["TEST_DATA", "ROW"],
            "load": 2,
        }
