"""Journals written by hand: what a router and a runner would have left behind, for tests of those who read them."""

import random
from typing import Any

from towpath_chassis.jetstream import JetStream
from towpath_chassis.messages import Expect
from towpath_schemas import subjects
from towpath_schemas.attribution import Attribution
from towpath_schemas.failure import Failure
from towpath_schemas.journal import (
    CallIntended,
    CallSettled,
    Claimed,
    JournalRecord,
    RunFinished,
    RunResumed,
    RunStarted,
    RunSuspended,
    StepSettled,
    ValueDrawn,
)

AT = 1_700_000_000.0


def run_started(component: str = "greet", *, tenant: str = "acme", **changes: Any) -> RunStarted:
    """Write entry 0 of a run."""
    known: dict[str, Any] = {
        "at": AT,
        "component": component,
        "component_kind": "workflow",
        "service": "hello",
        "input": {"name": "Ada"},
        "attribution": Attribution(tenant=tenant, user_id="u-1"),
        "correlation_id": "correlation-1",
    }
    return RunStarted(**{**known, **changes})


def journal(seed: int = 0, *, steps: int = 3, tenant: str = "acme") -> list[JournalRecord]:
    """Write the whole journal of a finished run; which records it has depends on `seed` alone."""
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    records: list[JournalRecord] = [run_started(tenant=tenant, input={"seed": seed})]
    for step in range(steps):
        records += _act(chance, f"step-{step}")
    end = RunFinished(at=AT + 1, end="completed", result={"seed": seed})
    failed = RunFinished(at=AT + 1, end="failed", failure=Failure(code="user_error", message="no"))
    return [*records, end if chance.random() < 0.8 else failed]  # noqa: PLR2004 - most runs succeed


def _act(chance: random.Random, key: str) -> list[JournalRecord]:
    match chance.randrange(4):
        case 0:
            return [StepSettled(at=AT, key=key, result={"text": "done", "n": chance.random()})]
        case 1:
            return [ValueDrawn(at=AT, key=key, source="random", value=chance.random())]
        case 2:
            return [
                CallIntended(at=AT, key=key, act="tool", target="look_up", service="hello", input={"q": key}),
                CallSettled(at=AT, key=key, act="tool", target="look_up", result=[1, 2, 3]),
            ]
        case _:
            return [
                RunSuspended(at=AT, waiting_for=(key,)),
                RunResumed(at=AT, runner="runner-1", epoch=2),
            ]


async def write_entry(js: JetStream, run_id: str, number: int, record: JournalRecord) -> int:
    """Store one record of a run at its place; return its sequence in the journal."""
    stored = await js.publish(subjects.journal_entry(run_id, number), record.to_body(), expect=Expect(0))
    return stored.sequence


async def write_journal(js: JetStream, run_id: str, records: list[JournalRecord]) -> list[int]:
    """Store a run's records from entry 0 on; return their sequences in the journal."""
    return [await write_entry(js, run_id, number, record) for number, record in enumerate(records)]


async def write_claim(js: JetStream, run_id: str, *, epoch: int = 1, runner: str = "runner-1") -> Expect:
    """Claim a run as a runner does; return the condition of what is written under the claim."""
    body = Claimed(runner=runner, at=AT).to_body()
    stored = await js.publish(subjects.claim(run_id, epoch), body, expect=Expect(0))
    return Expect(stored.sequence, subjects.claims_of(run_id))
