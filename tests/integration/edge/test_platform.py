"""A platform of processes: each may be killed and started again; `towpath dev` is one that a person starts."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from towpath import Client
from towpath_cli.embedded import ChildProcess, free_port
from towpath_cli.embedded.processes import ServerStartError
from towpath_cli.plan import Plan
from towpath_cli.platform import Platform
from towpath_testkit.servers import Servers, servers
from towpath_testkit.settled import until_so

pytestmark = [pytest.mark.live, pytest.mark.timeout(180)]

APP = Path(__file__).parent / "edge_app.py"
ADA = {"name": "Ada"}


def plan(started: Servers, directory: Path, app: Path = APP) -> Plan:
    return Plan(
        app=str(app),
        nats_url=started.nats.url,
        redis_url=started.redis.url,
        directory=directory,
        http_port=free_port(),
    )


async def test_any_service_may_be_killed_and_comes_back(tmp_path: Path) -> None:
    async with (
        servers(tmp_path / "servers") as started,
        Platform(plan(started, tmp_path)) as platform,
        Client(started.nats.url, patience_s=30) as client,
    ):
        for name in platform.services:
            await platform.kill(name)
            assert not await platform.is_ready(name)
            await platform.start(name)
            assert await platform.is_ready(name)
            assert await client.run("welcome", ADA, timeout_s=60) == {"text": "hello Ada"}


async def test_one_more_service_of_a_kind_can_be_added(tmp_path: Path) -> None:
    async with (
        servers(tmp_path / "servers") as started,
        Platform(plan(started, tmp_path), roles=["router"]) as platform,
    ):
        name = await platform.add("router")

        assert name == "router-2"
        assert await platform.is_ready(name)


async def test_a_service_that_cannot_start_says_why(tmp_path: Path) -> None:
    async with servers(tmp_path / "servers") as started:
        with pytest.raises(ServerStartError, match="there is no file"):
            async with Platform(plan(started, tmp_path, Path("nowhere.py")), roles=["agent-runner"]):
                pass


@pytest.mark.parametrize("mode", [[], ["--processes"]], ids=["one loop", "processes"])
async def test_dev_runs_everything_until_it_is_interrupted(tmp_path: Path, mode: list[str]) -> None:
    port = free_port()
    ports = ["--nats-port", str(port), "--http-port", "0"]
    command = [sys.executable, "-m", "towpath_cli", "dev", str(APP), *ports, *mode]
    log = tmp_path / "dev.log"
    async with ChildProcess([*command, "--data", str(tmp_path / "data")], log_path=log) as process:
        await process.ready(lambda: _said(log, "towpath is ready"), deadline_s=60)
        async with Client(f"nats://127.0.0.1:{port}") as client:
            assert await client.run("welcome", ADA, timeout_s=30) == {"text": "hello Ada"}
        ledger = tmp_path / "data" / "ledger" / "audit.jsonl"
        await until_so(lambda: ledger.stat().st_size > 0)
        os.kill(process.pid, signal.SIGINT)
        code = await asyncio.wait_for(process.wait(), 60)

    assert code == 0, process.log_tail
    assert "Traceback" not in log.read_text()


async def _said(log: Path, words: str) -> bool:
    return words in await asyncio.to_thread(log.read_text)
