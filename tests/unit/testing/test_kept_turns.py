"""A turn in a session is kept as a whole: what was said and the state that goes with it are one commit."""

from typing import Any

import pytest

from towpath import AfterModelCallEvent, Agent, Context, Session, script, workflow
from towpath.testing import VirtualPlatform, crash_everywhere
from towpath.testing.disturbance import Disturbance, Victim
from towpath_schemas.journal import JournalRecord
from towpath_schemas.sessions import HEAD, SESSION_TYPE

TURNS = 3


class Looking(Disturbance):
    """Looks, whenever a run writes something, at what another would find in the session `chat`."""

    def __init__(self) -> None:
        self.platform: VirtualPlatform | None = None
        self.seen: list[tuple[int, int]] = []

    async def after_write(self, victim: Victim, record: JournalRecord) -> None:
        assert self.platform is not None
        self.seen.append(found(self.platform.entity_state(SESSION_TYPE, "chat")))


def found(state: dict[str, Any]) -> tuple[int, int]:
    """Tell how many messages there are, and how many turns the state says there were."""
    messages = sum(end - start for start, end in state.get(HEAD, {}).get("spans", []))
    return messages, state.get("state:turns", 0)


def an_agent_whose_hook_keeps_state() -> Any:
    def counts(_event: AfterModelCallEvent) -> None:
        session = Session("chat")
        session.set_state("turns", session.get_state("turns", 0) + 1)

    clerk = Agent(
        name="clerk", model=script("answering", lambda request: f"{len(request.messages)} messages")
    )
    clerk.add_hook(counts)

    @workflow
    async def talks(ctx: Context) -> list[str]:
        session = Session("chat")
        await session.load()
        for turn in range(TURNS):
            await clerk.run(f"question {turn}", session=session)
        return [message.content for message in await session.history()]

    return talks


def code_that_keeps_state() -> Any:
    @workflow
    async def talks(ctx: Context) -> list[str]:
        session = Session("chat")
        for turn in range(TURNS):
            session.set_state("turns", turn + 1)
            said = [{"role": "user", "content": f"question {turn}"}, {"role": "assistant", "content": "yes"}]
            await session.append(said)
        return [message.content for message in await session.history()]

    return talks


@pytest.mark.parametrize("offered", [an_agent_whose_hook_keeps_state, code_that_keeps_state])
async def test_nobody_finds_the_state_of_a_turn_without_its_messages(offered: Any) -> None:
    talks, looking = offered(), Looking()
    async with VirtualPlatform(disturbance=looking) as platform:
        looking.platform = platform
        await platform.run(talks)

    assert sorted(set(looking.seen)) == [(2 * turns, turns) for turns in range(TURNS + 1)]


@pytest.mark.parametrize("offered", [an_agent_whose_hook_keeps_state, code_that_keeps_state])
async def test_a_run_that_is_killed_at_any_moment_keeps_each_turn_once(offered: Any) -> None:
    survived = await crash_everywhere(offered())

    said = survived.finished.result
    assert [one for one in said if one.startswith("question")] == [
        f"question {turn}" for turn in range(TURNS)
    ]
    assert len(said) == 2 * TURNS
