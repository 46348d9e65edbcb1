"""An agent's conversation is killed at every moment there is, and goes on as if nothing had happened."""

from collections import Counter
from itertools import pairwise
from typing import Any

from towpath import Agent, ModelRequest, script, tool, tool_call
from towpath.testing import VirtualPlatform, VirtualRun, crash_everywhere
from towpath_schemas.journal import CallSettled
from towpath_testkit.expedition import ANSWER, MODEL_CALLS, PROMPT, TOOL_CALLS, leader


class World:
    """What was done outside, and how often."""

    def __init__(self) -> None:
        self.attempts: Counter[str] = Counter()
        self.first: dict[str, str] = {}

    def take(self, key: str, what: str) -> str:
        self.attempts[key] += 1
        return self.first.setdefault(key, what)

    def clear(self) -> None:
        self.attempts.clear()
        self.first.clear()


async def approves(platform: VirtualPlatform, run: VirtualRun) -> None:
    (approval,) = platform.approvals(run)
    await platform.approve(approval, by="ada")


async def test_a_conversation_of_ten_tool_calls_survives_a_crash_at_every_await() -> None:
    world = World()
    lead = leader(world.take)
    repeated: Counter[int] = Counter()

    def no_more_than_what_was_under_way(_run: VirtualRun) -> None:
        models = Counter({key: count for key, count in world.attempts.items() if key.startswith("model-")})
        tools = world.attempts - models
        assert len(models) == MODEL_CALLS
        assert models.total() - MODEL_CALLS <= 1, "only the model call under way may be made again"
        assert tools.total() == len(tools) == TOOL_CALLS, "each tool call has one effect, and one only"
        repeated[models.total() - MODEL_CALLS] += 1

    survived = await crash_everywhere(
        lead,
        PROMPT,
        script=approves,
        before_each=world.clear,
        after_each=no_more_than_what_was_under_way,
    )

    assert survived.finished.result["output"] == ANSWER
    assert survived.finished.result["handoff_to"] == "scribe"
    assert repeated[0] > repeated[1] >= MODEL_CALLS


async def test_each_call_of_a_model_or_a_tool_is_one_intent_and_one_outcome() -> None:
    async with VirtualPlatform() as platform:
        run = await platform.start(leader(World().take), PROMPT)
        await approves(platform, run)
        await run.result()

    settled = Counter(record.act for record in run.journal if isinstance(record, CallSettled))
    assert (settled["model"], settled["tool"]) == (MODEL_CALLS, TOOL_CALLS)
    assert len([record for record in run.journal if record.kind == "call.intended"]) == settled.total()


async def test_a_turn_writes_into_the_journal_what_it_adds_and_not_the_conversation() -> None:
    turns = 50

    @tool
    def look(number: int) -> str:
        """Look at something."""
        return f"seen {number:03}"

    def watch(request: ModelRequest) -> Any:
        number = sum(message.role == "assistant" for message in request.messages)
        return tool_call("look", number=number + 100) if number < turns else "enough"

    watcher = Agent(name="watcher", model=script("watcher", watch), tools=[look], max_iterations=turns + 1)

    async with VirtualPlatform() as platform:
        run = await platform.start(watcher, "Watch")
        await run.result()

    starts = [at for at, one in enumerate(run.journal) if one.kind == "call.intended" and one.act == "model"]
    sizes = [len(record.to_body()) for record in run.journal]
    written = [sum(sizes[start:end]) for start, end in pairwise(starts)]
    assert len(written) == turns
    assert max(written) - min(written) <= 16, "only numbers may get longer"
