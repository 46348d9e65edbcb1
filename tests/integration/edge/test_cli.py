"""The `towpath` command against a platform, and without one."""

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from towpath import Client
from towpath_cli.app import app
from towpath_cli.embedded import free_port
from towpath_cli.plan import Plan
from towpath_schemas.ledger import verify
from towpath_testkit.settled import until

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="module")]


async def towpath(*arguments: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, app, list(arguments))


async def test_run_shows_what_happens_and_prints_the_result(plan: Plan) -> None:
    ended = await towpath("run", "welcome", "--input", '{"name": "Ada"}', "--url", plan.nats_url)

    assert ended.exit_code == 0, ended.output
    assert json.loads(ended.stdout) == {"text": "hello Ada"}
    assert "greet" in ended.stderr
    assert "completed" in ended.stderr


async def test_a_failed_run_ends_the_command_with_its_reason(plan: Plan) -> None:
    ended = await towpath("run", "unlucky", "--input", "{}", "--url", plan.nats_url)

    assert ended.exit_code == 1
    assert ended.stdout == ""
    assert ended.stderr.strip().endswith("failed: no luck")


async def test_runs_are_listed(plan: Plan, client: Client) -> None:
    run_id = await client.start("welcome", {"name": "Ada"})
    await client.result(run_id, 10)

    async def listed() -> bool:
        return (
            run_id in (await towpath("runs", "list", "--status", "completed", "--url", plan.nats_url)).stdout
        )

    await until(listed, bool)


async def test_a_ledger_is_proven_and_an_altered_one_is_not(
    plan: Plan, client: Client, tmp_path: Path
) -> None:
    await client.run("welcome", {"name": "Ada"}, timeout_s=10)
    ledger = plan.directory / "ledger"

    async def recorded() -> bool:
        return verify(ledger / "audit.jsonl").lines > 0

    await until(recorded, bool)
    copy = tmp_path / "audit.jsonl"
    copy.write_bytes((ledger / "audit.jsonl").read_bytes())

    proven = await towpath("audit", "verify", str(tmp_path))
    head = proven.stdout.strip()
    again = await towpath("audit", "verify", str(copy), "--expect", head)
    lines = copy.read_bytes().splitlines(keepends=True)
    copy.write_bytes(b"".join([lines[0].replace(b"run", b"fun", 1), *lines[1:]]))
    altered = await towpath("audit", "verify", str(copy))
    copy.write_bytes(b"".join(lines[:-1]))
    cut = await towpath("audit", "verify", str(copy), "--expect", head)

    assert (proven.exit_code, again.exit_code, altered.exit_code, cut.exit_code) == (0, 0, 1, 1)
    assert "line 1 was altered" in altered.stderr
    assert "cut off" in cut.stderr


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (["run", "welcome", "--input", "{name: Ada}"], "write it like"),
        (["run", "welcome", "--timeout", "1"], "towpath dev"),
        (["runs", "list"], "towpath dev"),
        (["approvals", "list"], "towpath dev"),
        (["runs", "signal", "run-1", "go", "--payload", "{yes}"], "write it like"),
        (["approvals", "show", "nothing"], "look like"),
        (["tail", "audit", "--kind", "nonsense"], "model"),
        (["audit", "verify", "nowhere"], "nowhere"),
        (["audit", "verify", "x", "--expect", "5"], "SEQUENCE:HASH"),
        (["dev", "nowhere.py"], "there is no file"),
    ],
    ids=[
        "input",
        "no platform to run in",
        "no platform to list",
        "no platform to decide",
        "payload",
        "no approval",
        "kind",
        "ledger",
        "head",
        "app",
    ],
)
async def test_trouble_is_told_in_one_sentence(
    arguments: list[str], remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOWPATH_NATS_URL", f"nats://127.0.0.1:{free_port()}")
    for command in ("run", "runs", "approvals"):
        monkeypatch.setattr(f"towpath_cli.{command}.Client", _impatient)

    ended = await towpath(*arguments)

    assert ended.exit_code == 1
    assert len(ended.stderr.strip().splitlines()) == 1
    assert remedy in ended.stderr


def _impatient(url: str) -> Client:
    return Client(url, patience_s=0.3)
