"""Agents speak in one session while everything that serves it is killed: each turn is there once, whole."""

import asyncio
from uuid import uuid4

import pytest

from towpath import Client
from towpath_schemas.journal import CallIntended
from towpath_testkit.settled import until
from towpath_testkit.stage import Stage

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]

KILLED = ("agent-runner", "entity-store", "redis")
"""What is killed, each in the middle of another turn."""


async def middle_of(client: Client, run_id: str) -> None:
    """Return once a turn has asked for its tool."""
    await until(
        lambda: client.journal(run_id),
        lambda entries: any(
            isinstance(record, CallIntended) and record.act == "tool" for _, record in entries
        ),
        deadline_s=60,
    )


async def test_each_turn_is_in_the_session_once_whatever_is_killed_in_the_middle_of_it(stage: Stage) -> None:
    session_id, runs = uuid4().hex, list[str]()
    async with Client(stage.nats_url) as client:
        for number, part in enumerate(KILLED):
            asked = {"prompt": f"question {number}", "session_id": session_id}
            runs.append(await client.start(("porter", "second_porter")[number % 2], asked))
            await middle_of(client, runs[-1])
            await stage.kill(part)
            await stage.start(part)
        ended = await asyncio.gather(*(client.result(run_id, timeout_s=60) for run_id in runs))
        history = await client.session(session_id).history()

    assert [one["output"] for one in ended] == ["weighed"] * len(KILLED)
    turns = [history[start : start + 4] for start in range(0, len(history), 4)]
    assert sorted(turn[0].content for turn in turns) == [
        f"question {number}" for number in range(len(KILLED))
    ]
    assert all([one.role for one in turn] == ["user", "assistant", "tool", "assistant"] for turn in turns)
    assert all(len({one.metadata["agent"] for one in turn}) == 1 for turn in turns)
