"""The index of runs: folded from the audit stream in any order, and built again where Redis lost it."""

import random
from typing import Any

import pytest

from towpath_schemas import subjects
from towpath_schemas.attribution import Attribution
from towpath_schemas.audit import AuditEvent
from towpath_schemas.failure import Failure
from towpath_schemas.runs import RunsAsked, RunsListed, RunView
from towpath_testkit.entity_stage import EntityStage, eventually

pytestmark = pytest.mark.live


async def tell(stage: EntityStage, run_id: str, action: str, sequence: int, **changes: Any) -> None:
    known: dict[str, Any] = {
        "at": float(sequence),
        "run_id": run_id,
        "kind": "run",
        "action": action,
        "target": "greet",
        "attribution": Attribution(tenant="acme"),
        "correlation_id": "c",
        "source_stream": "JOURNAL",
        "source_sequence": sequence,
    }
    event = AuditEvent(**{**known, **changes})
    await stage.js.publish(subjects.audit(event.attribution.tenant, None, "run", action), event.to_body())


async def listed(stage: EntityStage, **asked: Any) -> list[RunView]:
    answer = await stage.js.request(subjects.runs_index("list"), RunsAsked(**asked).to_body(), within_s=10)
    return list(RunsListed.from_body(answer.data).runs)


async def test_runs_are_listed_by_what_became_of_them(stage: EntityStage) -> None:
    no = Failure(code="user_error", message="no")
    async with stage.store():
        await tell(stage, "a", "started", 1)
        await tell(stage, "b", "started", 2, target="trip", attribution=Attribution(tenant="globex"))
        await tell(stage, "c", "started", 3)
        await tell(stage, "a", "completed", 4, outcome="ok")
        await tell(stage, "b", "suspended", 5, target="trip", attribution=Attribution(tenant="globex"))
        await tell(stage, "c", "failed", 6, outcome="error", failure=no)

        async def folded() -> bool:
            return {run.status for run in await listed(stage)} == {"completed", "suspended", "failed"}

        await eventually(folded)
        everything = await listed(stage)
        assert [run.run_id for run in everything] == ["c", "b", "a"]
        assert [run.finished_at for run in everything] == [6.0, None, 4.0]
        assert everything[0].failure == no
        assert [run.run_id for run in await listed(stage, component="trip")] == ["b"]
        assert [run.run_id for run in await listed(stage, tenant="acme", status="completed")] == ["a"]
        assert [run.run_id for run in await listed(stage, component="greet", status="suspended")] == []
        assert [run.run_id for run in await listed(stage, limit=1)] == ["c"]


async def test_the_newest_record_decides_in_whatever_order_events_come(stage: EntityStage) -> None:
    told = [
        (f"r{n}", action, 10 * n + at)
        for n in range(20)
        for at, action in enumerate(("started", "suspended", "resumed", "completed"))
    ]
    random.Random(7).shuffle(told)  # noqa: S311 - repeatable, not secret
    async with stage.store():
        for run_id, action, sequence in told:
            await tell(stage, run_id, action, sequence)

        async def complete() -> bool:
            return len(await listed(stage, status="completed")) == 20

        await eventually(complete)
        assert [run.created_at for run in await listed(stage)] == [10.0 * n for n in range(19, -1, -1)]
        assert await listed(stage, status="running") == []


async def test_an_emptied_redis_is_noticed_and_the_index_built_again(stage: EntityStage) -> None:
    async with stage.store():
        for n in range(300):
            await tell(stage, f"r{n}", "started", n)

        async def all_there() -> bool:
            return len(await listed(stage, limit=1_000)) == 300

        await eventually(all_there)
        await stage.redis.flushall()
        assert len(await listed(stage, limit=1_000)) == 300
        await stage.redis.flushall()
        await tell(stage, "new", "started", 1_000)
        await eventually(lambda: _lists(stage, "new"))
        assert len(await listed(stage, limit=1_000)) == 301


async def _lists(stage: EntityStage, run_id: str) -> bool:
    return (await listed(stage))[:1] != [] and (await listed(stage))[0].run_id == run_id
