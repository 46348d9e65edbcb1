"""Long lists come in pages, none too large for a message; approvals are listed while somebody can decide them."""

import pytest

from towpath_schemas.failure import Failure
from towpath_testkit.entity_stage import EntityStage, eventually
from towpath_testkit.told_runs import (
    ACME,
    approvals,
    ask_for_approval,
    asked,
    listed,
    names,
    tell,
    tell_approval,
    until_approvals,
)

pytestmark = pytest.mark.live

LONG_FROM_NOW = 4_000_000_000.0


# --- Pages --------------------------------------------------------------------------------------------


async def test_pages_together_are_the_list(stage: EntityStage) -> None:
    wanted = [f"r{n:03}" for n in range(500, 0, -1)]
    async with stage.store():
        for n in range(1, 501):  # many began at the same moment
            await tell(stage, f"r{n:03}", "started", n, at=float(n // 300))

        async def all_there() -> bool:
            return len(await listed(stage, limit=1_000)) == 500

        await eventually(all_there)

        assert await names(stage, limit=1_000) == wanted
        for limit, pages in ((1, 20), (7, 80), (250, 3)):
            assert await _paged(stage, limit, pages) == wanted[: limit * pages]


async def _paged(stage: EntityStage, limit: int, pages: int) -> list[str]:
    found, cursor = list[str](), None
    for _ in range(pages):
        said = await asked(stage, limit=limit, cursor=cursor, tenant="acme")
        found += [run.run_id for run in said.runs]
        cursor = said.cursor
        if cursor is None:
            break
    return found


async def test_an_answer_is_never_too_large_for_a_message(stage: EntityStage) -> None:
    long = Failure(code="user_error", message="x" * 300_000)
    async with stage.store():
        for n in range(10):
            await tell(stage, f"r{n}", "started", 10 * n)
            await tell(stage, f"r{n}", "failed", 10 * n + 1, failure=long, outcome="error")

        async def all_there() -> bool:
            return (await asked(stage, status="failed", created_before=5.0)).runs != ()

        await eventually(all_there)
        first = await asked(stage, status="failed")
        second = await asked(stage, status="failed", cursor=first.cursor)

        assert 0 < len(first.runs) < 10
        assert second.runs[0].created_at < first.runs[-1].created_at


async def test_approvals_are_listed_while_somebody_can_decide_them(stage: EntityStage) -> None:
    async with stage.store():
        await tell(stage, "a", "started", 1)
        await tell(stage, "b", "started", 2)
        by_anybody = await ask_for_approval(stage, "a", 1)
        by_boss = await ask_for_approval(stage, "b", 2, roles=("boss", "owner"), until=LONG_FROM_NOW)
        await ask_for_approval(stage, "b", 3, until=3.0)  # expired long ago
        await until_approvals(stage, [by_boss, by_anybody])

        boss, anybody = await approvals(stage)

        assert (boss.run_id, boss.component, boss.name, boss.expires_at) == (
            "b",
            "greet",
            "deploy",
            LONG_FROM_NOW,
        )
        assert (anybody.asked.payload, anybody.attribution) == ({"to": "a"}, ACME)
        for question, wanted in (
            ({"role": "boss"}, [by_boss, by_anybody]),
            ({"role": "clerk"}, [by_anybody]),
            ({"run_id": "b"}, [by_boss]),
            ({"tenant": "globex"}, []),
            ({"tenant": "acme", "limit": 1}, [by_boss]),
        ):
            assert [one.approval_id for one in await approvals(stage, **question)] == wanted

        await tell_approval(stage, "b", "approved", 1_000, 2, outcome="ok")
        await until_approvals(stage, [by_anybody])
        await tell(stage, "a", "cancelled", 1_001, outcome="error")
        await until_approvals(stage, [])
