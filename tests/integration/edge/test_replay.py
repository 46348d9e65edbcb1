"""`towpath runs export` and `towpath replay`: the runs of a platform are held against code before it is deployed."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from towpath import Client
from towpath.testing import Replayed, check_replay
from towpath_cli.plan import Plan
from towpath_testkit.settled import until

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="module")]

APP = Path(__file__).parent / "edge_app.py"


class Said(NamedTuple):
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def objects(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


async def towpath(plan: Plan, *arguments: str | Path) -> Said:
    """Be the command in a process of its own: it loads code that is not the platform's."""
    environment = {"TOWPATH_NATS_URL": plan.nats_url, "COLUMNS": "200"}
    command = [sys.executable, "-m", "towpath_cli", *map(str, arguments)]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=pipe, stderr=pipe)
    out, err = await process.communicate()
    return Said(process.returncode or 0, out.decode(), err.decode())


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    """The platform's code, but what `trip` does first has another name."""
    file = tmp_path / "edge_app.py"
    file.write_text(APP.read_text().replace('ctx.step("book",', 'ctx.step("reserve",'))
    return file


async def waiting_trip(client: Client) -> str:
    run_id = await client.start("trip", {"where": "Oslo"})

    async def listed() -> bool:
        return run_id in [run.run_id async for run in client.list(status="suspended", component="trip")]

    await until(listed, bool)
    return run_id


async def test_runs_that_have_not_ended_are_replayed_with_new_code(
    plan: Plan, client: Client, changed: Path
) -> None:
    run_id = await waiting_trip(client)
    ended = await client.start("welcome", {"name": "Ada"})
    await client.result(ended, 10)

    same = await towpath(plan, "replay", APP, "--check", "--json")
    other = await towpath(plan, "replay", changed, "--check", "--json")

    verdicts = {one["run"]: one["verdict"] for one in same.objects}
    assert (same.code, verdicts[run_id]) == (0, "ok"), same.err
    assert ended not in verdicts
    (diverged,) = [one for one in other.objects if one["run"] == run_id]
    assert other.code == 1
    assert (diverged["journal"], diverged["code"]) == ("step 'book#0'", "step 'reserve#0'")
    assert (await client.status(run_id)) is not None


async def test_runs_are_chosen_by_id_component_status_and_number(plan: Plan, client: Client) -> None:
    run_id = await waiting_trip(client)
    welcomed = await client.start("welcome", {"name": "Ada"})
    await client.result(welcomed, 10)

    by_id = await towpath(plan, "replay", APP, "--json", "--run", welcomed, "--run", run_id)
    by_component = await towpath(plan, "replay", APP, "--json", "--component", "trip", "--limit", "1")
    by_status = await towpath(
        plan, "replay", APP, "--json", "--status", "completed", "--component", "welcome"
    )
    elsewhere = await towpath(plan, "replay", APP, "--service", "other", "--check")
    unknown = await towpath(plan, "replay", APP, "--run", "nobody")

    assert [one["run"] for one in by_id.objects] == [welcomed, run_id]
    assert [one["run"] for one in by_component.objects] == [run_id]
    assert {one["verdict"] for one in by_status.objects} == {"ok"}
    assert (elsewhere.code, elsewhere.out) == (0, "")
    assert (unknown.code, unknown.err.strip()) == (1, "towpath: there is no run 'nobody'")


async def test_an_exported_journal_is_replayed_without_the_platform(
    plan: Plan, client: Client, changed: Path, tmp_path: Path
) -> None:
    run_id = await waiting_trip(client)
    exported = await towpath(plan, "runs", "export", run_id)
    (stored := tmp_path / "run.jsonl").write_text(exported.out)

    nowhere = await towpath(plan, "replay", changed, stored, "--url", "nats://127.0.0.1:1")
    unknown = await towpath(plan, "runs", "export", "nobody")

    assert exported.code == 0, exported.err
    assert nowhere.out.startswith(f"diverged {stored}  trip  entry 1: the journal has step 'book#0'")
    assert (unknown.code, unknown.err.strip()) == (1, "towpath: there is no run 'nobody'")
    replayed = await asyncio.to_thread(check_replay, "trip", exported.out)
    assert replayed == Replayed(2, ("signal 'signal:paid#0' of 'paid'",))
