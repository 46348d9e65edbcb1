"""The platform in containers does its work, and goes on when its processes are killed."""
# pyright: reportUnknownMemberType=false
# (nats-py leaves parts of its interface untyped)

import json
import os
import secrets
import subprocess
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import httpx
import nats
import pytest
from nats.aio.client import Client

# Before the first test the images are built and nine containers started.
pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
DESK = {"customer": "ada", "question": "I paid twice"}
SETTLED = "You paid twice, sorry: 42.00 EUR paid back for INV-ada."
LEDGER = "/var/lib/towpath/ledger/audit.jsonl"
EFFECTS = "/tmp/towpath-desk-effects.jsonl"  # noqa: S108 - of a container

# All processes of a container but its first, which only reaps, and the one that runs this: the service.
KILL = """
import os
for pid in filter(str.isdigit, os.listdir("/proc")):
    if int(pid) not in (1, os.getpid()):
        os.kill(int(pid), 9)
"""
WHAT_IT_IS = """
import importlib.metadata, json, os
try:
    open("/opt/towpath/written", "w")
except OSError as error:
    refused = error.strerror
names = sorted(one.name for one in importlib.metadata.distributions())
print(json.dumps({"uid": os.getuid(), "refused": refused, "names": names}))
"""


class Platform:
    """One `docker compose up` of the whole platform, beside whatever else runs on this machine."""

    def __init__(self) -> None:
        self.project = f"towpath-test-{secrets.token_hex(4)}"
        self._environment = {
            **os.environ,  # noqa: TID251 - Docker's own variables
            "DESK_THINKING_S": "0.75",  # so that a run can be met while it is under way
            "TOWPATH_HTTP_PORT": "0",
            "TOWPATH_NATS_PORT": "0",
        }

    def up(self) -> None:
        self.compose("build", "--quiet")
        done = self._compose("up", "--detach", "--wait", "--wait-timeout", "120")
        if done.returncode != 0:
            pytest.fail(f"{done.stderr}\n{self.compose('logs', '--no-color', '--tail', '30')}", pytrace=False)

    def compose(self, *arguments: str) -> str:
        done = self._compose(*arguments)
        assert done.returncode == 0, f"docker compose {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def services(self) -> list[str]:
        described = json.loads(self.compose("config", "--format", "json"))
        return [name for name, service in described["services"].items() if "build" in service]

    def address(self, service: str, port: int) -> str:
        return self.compose("port", service, str(port))

    def run_in(self, service: str, *command: str) -> str:
        return self.compose("exec", "-T", service, *command)

    def kill(self, service: str) -> None:
        """Kill the process, not the container: Docker leaves alone what it was told to kill."""
        started = self.inspect(service, "{{.State.StartedAt}}")
        self._compose("exec", "-T", service, "python", "-c", KILL)
        eventually(
            lambda: self.inspect(service, "{{.State.StartedAt}}") != started,
            30,
            f"{service} is started again",
        )

    def inspect(self, service: str, what: str) -> str:
        container = self.compose("ps", "--all", "--quiet", service)
        return _run("docker", "inspect", "--format", what, container).stdout.strip()

    def wait_until_healthy(self, *services: str) -> None:
        for service in services:
            eventually(
                lambda service=service: (
                    self.inspect(service, "{{.State.Status}} {{.State.Health.Status}}") == "running healthy"
                ),
                60,
                f"{service} is healthy",
            )

    def _compose(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = ("docker", "compose", "--project-name", self.project, *arguments)
        return _run(*command, environment=self._environment)


def _run(*command: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)  # noqa: S603


def eventually(holds: Callable[[], object], within_s: float, what: str) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, f"not within {within_s:g} s: {what}"
        time.sleep(0.25)  # noqa: TID251 - what is waited for happens in containers


@pytest.fixture(scope="module")
def platform(engine: None) -> Generator[Platform]:
    platform = Platform()
    try:
        platform.up()
        yield platform
    finally:
        platform.compose("down", "--volumes", "--timeout", "5")


async def connect(platform: Platform) -> Client:
    return await nats.connect(f"nats://{platform.address('nats', 4222)}")


async def start(client: Client) -> str:
    inbox = client.new_inbox()
    replies = await client.subscribe(inbox)
    body = json.dumps({"input": DESK, "reply_to": inbox}).encode()
    await client.publish("requests.v1.demo.start.support_desk", body)
    accepted = json.loads((await replies.next_msg(timeout=20)).data)
    return accepted["run_id"]


async def end_of(client: Client, run_id: str, *, within_s: float = 60) -> dict[str, Any]:
    """Wait for what the OUTPUT stream tells of a run, be it told already."""
    told = await client.jetstream().subscribe(f"output.v1.{run_id}", ordered_consumer=True)
    return json.loads((await told.next_msg(timeout=within_s)).data)["run"]


async def audited_end_of(client: Client, run_id: str, *, within_s: float = 60) -> str:
    """Wait for the audit stream to tell how a run ended, be it told already."""
    told = await client.jetstream().subscribe("audit.v1.demo._.run.*", ordered_consumer=True)
    deadline = time.monotonic() + within_s
    while True:
        message = await told.next_msg(timeout=max(deadline - time.monotonic(), 0.1))
        action = message.subject.rpartition(".")[2]
        if json.loads(message.data)["run_id"] == run_id and action in {"completed", "failed", "cancelled"}:
            return action


def refunds_of(platform: Platform, run_id: str) -> int:
    effects = platform.run_in("tool-runner", "cat", EFFECTS).splitlines()
    return sum(json.loads(effect)["run"] == run_id for effect in effects)


async def test_a_request_runs_to_its_end_and_is_audited(platform: Platform) -> None:
    async with await connect(platform) as client:
        run_id = await start(client)

        ended = await end_of(client, run_id)

        assert ended["status"] == "completed", ended
        assert ended["result"]["answer"] == SETTLED
        assert await audited_end_of(client, run_id) == "completed"
    assert refunds_of(platform, run_id) == 1
    eventually(lambda: run_id in platform.run_in("audit-sink", "cat", LEDGER), 10, "the ledger has the run")


def test_the_gateway_starts_a_run_and_shows_its_end(platform: Platform) -> None:
    with httpx.Client(base_url=f"http://{platform.address('gateway', 8080)}") as gateway:
        accepted = gateway.post("/v1/runs", json={"component": "support_desk", "input": DESK}).json()
        show = f"/v1/runs/{accepted['run_id']}"
        eventually(lambda: gateway.get(show).json()["status"] == "completed", 60, "the run is completed")
        assert gateway.get(show).json()["result"]["answer"] == SETTLED


def test_services_are_unprivileged_and_carry_no_tools_of_development(platform: Platform) -> None:
    for service in platform.services():
        it = json.loads(platform.run_in(service, "python", "-c", WHAT_IT_IS))
        assert it["uid"] == 10001
        assert it["refused"] == "Read-only file system"
        assert {"pytest", "ruff", "mypy", "uv", "towpath-testkit"}.isdisjoint(it["names"])
        ours = [name for name in it["names"] if name.startswith("towpath-") and service in name]
        assert ours == [f"towpath-{service}"]


async def test_a_run_outlives_the_runner_that_began_it(platform: Platform) -> None:
    async with await connect(platform) as client:
        working = await client.subscribe("audit.v1.demo.billing.model.intended")
        run_id = await start(client)
        await working.next_msg(timeout=30)

        platform.kill("agent-runner")

        ended = await end_of(client, run_id, within_s=90)
        assert ended["status"] == "completed", ended
        assert ended["result"]["answer"] == SETTLED
    assert refunds_of(platform, run_id) == 1
    platform.wait_until_healthy("agent-runner")


async def test_every_killed_service_comes_back(platform: Platform) -> None:
    services = platform.services()
    assert len(services) == 6

    for service in services:
        platform.kill(service)

    platform.wait_until_healthy(*services)
    async with await connect(platform) as client:
        ended = await end_of(client, await start(client))
    assert ended["status"] == "completed", ended


async def test_a_restarted_broker_has_lost_nothing_and_nobody(platform: Platform) -> None:
    services = platform.services()
    async with await connect(platform) as client:
        run_id = await start(client)

    platform.compose("restart", "--timeout", "0", "nats")

    platform.wait_until_healthy("nats", *services)
    async with await connect(platform) as client:  # Docker may have published another port
        assert await audited_end_of(client, run_id, within_s=90) == "completed"
    assert refunds_of(platform, run_id) == 1
