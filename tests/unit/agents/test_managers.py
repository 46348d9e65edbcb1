"""What becomes of a history that grows beyond what a model can read."""

import inspect
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from towpath import Agent, ModelReply, ModelRequest, script, workflow
from towpath.agents.content import DictMessage
from towpath.agents.managers.null import NullConversationManager
from towpath.agents.managers.port import ConversationManager
from towpath.agents.managers.sliding_window import SlidingWindowConversationManager
from towpath.agents.managers.summarizing import SummarizingConversationManager
from towpath.errors import ConfigurationError, ContextOverflowError, InvalidInputError
from towpath.testing import VirtualPlatform
from towpath_schemas.failure import Failure
from towpath_schemas.usage import Usage

OVERFLOW = ContextOverflowError(Failure(code="context_overflow", message="too long"))


def user(text: str = "question") -> DictMessage:
    return {"role": "user", "content": [{"text": text}]}


def says(text: str = "answer") -> DictMessage:
    return {"role": "assistant", "content": [{"text": text}]}


def uses(*calls: str) -> DictMessage:
    blocks = [{"toolUse": {"toolUseId": call, "name": "search", "input": {"q": call}}} for call in calls]
    return {"role": "assistant", "content": blocks}


def results(*calls: str, text: str = "found") -> DictMessage:
    blocks = [
        {"toolResult": {"toolUseId": call, "status": "success", "content": [{"text": text}]}}
        for call in calls
    ]
    return {"role": "user", "content": blocks}


class SummaryModel:
    """A model that remembers what it was asked, and says that it is a summary."""

    name = "test/summary"

    def __init__(self) -> None:
        self.requests: list[ModelRequest] = []

    async def generate(self, request: ModelRequest) -> ModelReply:
        self.requests.append(request)
        return ModelReply(text=f"summary {len(self.requests)}")


class Speaker(SimpleNamespace):
    """What a manager sees of an agent."""

    def __init__(self, *messages: DictMessage, tokens: int = 0, model: Any = None) -> None:
        metrics = SimpleNamespace(latest_usage=Usage(input_tokens=tokens))
        super().__init__(messages=[*messages], model=model or SummaryModel(), event_loop_metrics=metrics)

    def language_model(self) -> Any:
        return self.model


async def reduce(manager: ConversationManager, agent: Speaker, error: Exception | None = OVERFLOW) -> None:
    answer = manager.reduce_context(agent, error)
    if inspect.isawaitable(answer):
        await answer


# --- Any history ----------------------------------------------------------------------------------


@st.composite
def histories(draw: st.DrawFn) -> list[DictMessage]:
    """Draw turns: a prompt, some tool turns (the last perhaps still open), an answer."""
    messages: list[DictMessage] = []
    for turn in range(draw(st.integers(1, 6))):
        messages.append(user(f"question {turn}"))
        for call in range(draw(st.integers(0, 4))):
            ids = [f"{turn}.{call}.{number}" for number in range(draw(st.integers(1, 3)))]
            messages += [uses(*ids), results(*ids, text="x" * draw(st.sampled_from([3, 900])))]
        messages.append(says())
    for _ in range(draw(st.integers(0, 2))):
        if len(messages) > 1:
            messages.pop()
    return messages


def is_valid(messages: list[DictMessage]) -> bool:
    """Tell whether it begins with the user's words, and calls stand with their results."""
    asked: set[str] = set()
    for message in messages:
        answered = {block["toolResult"]["toolUseId"] for block in message["content"] if "toolResult" in block}
        if asked != answered:
            return False
        asked = {block["toolUse"]["toolUseId"] for block in message["content"] if "toolUse" in block}
    return not messages or (messages[0]["role"] == "user" and "text" in messages[0]["content"][0])


@settings(max_examples=50)
@given(histories(), st.integers(1, 12))
def test_a_window_leaves_a_valid_history(messages: list[DictMessage], size: int) -> None:
    agent, manager = Speaker(*messages), SlidingWindowConversationManager(size)

    manager.apply_management(agent)

    assert is_valid(agent.messages)
    rest = messages[manager.removed_message_count :]
    assert agent.messages[len(agent.messages) - len(rest) :] == rest
    assert agent.messages[-1] == messages[-1]


@settings(max_examples=50)
@given(histories(), st.integers(1, 12))
async def test_shortening_until_it_is_impossible_goes_on_from_valid_to_valid(
    messages: list[DictMessage], size: int
) -> None:
    agent, manager = Speaker(*messages), SlidingWindowConversationManager(size)

    for _ in range(100):
        before = str(agent.messages)
        try:
            await reduce(manager, agent)
        except ContextOverflowError:
            break
        assert is_valid(agent.messages)
        assert len(str(agent.messages)) < len(before)
    else:
        pytest.fail("it never came to an end")

    assert str(agent.messages) == before


@settings(max_examples=50)
@given(histories(), st.floats(0, 1), st.integers(0, 8))
async def test_a_summary_leaves_a_valid_history(
    messages: list[DictMessage], ratio: float, recent: int
) -> None:
    agent, manager = Speaker(*messages), SummarizingConversationManager(ratio, recent)

    for number in range(1, 4):
        before = [*agent.messages]
        try:
            await reduce(manager, agent)
        except ContextOverflowError:
            assert agent.messages == before
            break
        assert is_valid(agent.messages)
        assert agent.messages[0] == user(f"summary {number}")
        assert manager.removed_message_count == len(messages) - len(agent.messages) + 1


@settings(max_examples=50)
@given(histories(), histories(), st.integers(1, 8))
def test_a_session_restores_what_the_window_has_left(
    messages: list[DictMessage], more: list[DictMessage], size: int
) -> None:
    agent, manager = Speaker(*messages), SlidingWindowConversationManager(size)
    manager.apply_management(agent)
    agent.messages += more
    manager.apply_management(agent)

    again = SlidingWindowConversationManager(size)
    front = again.restore_from_session(manager.get_state())

    assert [*front, *[*messages, *more][again.removed_message_count :]] == agent.messages


# --- The window -----------------------------------------------------------------------------------


def test_a_window_begins_with_a_prompt_where_it_can() -> None:
    agent = Speaker(user("1"), says(), user("2"), says(), user("3"), says())

    SlidingWindowConversationManager(3).apply_management(agent)

    assert agent.messages == [user("3"), says()]


def test_within_a_long_turn_its_prompt_stays_in_front_of_whole_calls() -> None:
    agent = Speaker(user("task"), uses("1"), results("1"), uses("2"), results("2"), uses("3"), results("3"))
    manager = SlidingWindowConversationManager(4)

    manager.apply_management(agent)

    assert agent.messages == [user("task"), uses("3"), results("3")]
    assert manager.removed_message_count == 5


def test_a_history_within_the_window_is_left_alone() -> None:
    agent = Speaker(user(), says())

    SlidingWindowConversationManager().apply_management(agent)

    assert agent.messages == [user(), says()]


async def test_on_overflow_the_oldest_long_result_is_shortened_first() -> None:
    long = "a" * 1_000 + "b" * 1_000
    agent = Speaker(user(), uses("1"), results("1", text=long), uses("2"), results("2", text=long))
    manager = SlidingWindowConversationManager()

    await reduce(manager, agent)

    shortened = agent.messages[2]["content"][0]["toolResult"]
    text = shortened["content"][0]["text"]
    assert text.startswith("a" * 200 + "\n[... 1600 characters")
    assert text.endswith("b" * 200)
    assert shortened["status"] == "success"
    assert agent.messages[4] == results("2", text=long)
    assert manager.removed_message_count == 0


async def test_json_and_images_in_results_are_shortened_too() -> None:
    image = {"image": {"format": "png", "source": {"bytes": b"png"}}}
    content = [{"json": {"rows": ["x"] * 500}}, image, {"json": {"ok": True}}]
    message = {"role": "user", "content": [{"toolResult": {"toolUseId": "1", "content": content}}]}
    agent = Speaker(user(), uses("1"), message)

    await reduce(SlidingWindowConversationManager(), agent)

    first, second, third = agent.messages[2]["content"][0]["toolResult"]["content"]
    assert first["text"].startswith('{"rows":["x"')
    assert second == {"text": "[an image was left out to make room]"}
    assert third == {"json": {"ok": True}}


async def test_without_truncation_messages_go_at_once() -> None:
    agent = Speaker(user("1"), uses("1"), results("1", text="x" * 900), says(), user("2"), says())

    await reduce(SlidingWindowConversationManager(should_truncate_results=False), agent)

    assert agent.messages == [user("2"), says()]


async def test_what_cannot_be_made_shorter_raises_what_the_model_said() -> None:
    agent = Speaker(user())

    with pytest.raises(ContextOverflowError, match="too long"):
        await reduce(SlidingWindowConversationManager(), agent)
    with pytest.raises(ContextOverflowError, match="cannot be made shorter"):
        await reduce(SlidingWindowConversationManager(), agent, None)


@pytest.mark.parametrize(("per_turn", "kept"), [(False, [6, 6, 6]), (True, [2, 2, 2]), (2, [6, 2, 2])])
async def test_per_turn_tidies_before_model_calls(per_turn: bool | int, kept: list[int]) -> None:  # noqa: FBT001
    agent = Speaker(*[user(), says()] * 3)
    manager = SlidingWindowConversationManager(2, per_turn=per_turn)
    lengths: list[int] = []

    for _ in range(3):
        await manager.before_model_call(agent)
        lengths.append(len(agent.messages))

    assert lengths == kept


@pytest.mark.parametrize(
    "said", [{"window_size": 0}, {"per_turn": -1}, {"proactive_compression": {"ratio": 1}}]
)
def test_numbers_that_cannot_be_are_refused(said: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(said))):
        SlidingWindowConversationManager(**said)


# --- Before a model refuses -----------------------------------------------------------------------


@pytest.mark.parametrize(("tokens", "kept"), [(699, 6), (700, 2)])
async def test_proactive_compression_acts_from_its_threshold_on(tokens: int, kept: int) -> None:
    agent = Speaker(*[user(), says()] * 3, tokens=tokens)
    manager = SlidingWindowConversationManager(
        2, proactive_compression={"compression_threshold": 0.7, "context_window": 1_000}
    )

    await manager.before_model_call(agent)

    assert len(agent.messages) == kept


async def test_the_model_says_how_much_it_reads() -> None:
    model = SummaryModel()
    model.context_window_limit = 10  # type: ignore[attr-defined]
    agent = Speaker(*[user(), says()] * 3, tokens=7, model=model)

    await SummarizingConversationManager(0.8, 2, proactive_compression=True).before_model_call(agent)

    assert agent.messages[0] == user("summary 1")


async def test_proactive_compression_does_no_harm_where_nothing_can_go() -> None:
    agent = Speaker(user(), tokens=1_000_000)

    await SlidingWindowConversationManager(proactive_compression=True).before_model_call(agent)

    assert agent.messages == [user()]


# --- The summary ----------------------------------------------------------------------------------


async def test_a_summary_is_asked_of_the_agents_model_without_tools() -> None:
    agent = Speaker(user("find boats"), uses("1"), results("1"), says("two boats"), *[user(), says()] * 5)
    manager = SummarizingConversationManager()

    await reduce(manager, agent)

    (request,) = agent.model.requests
    assert request.tools == ()
    assert request.messages[0].content == (
        'user: find boats\nassistant: calls search with {"q":"1"}\nuser: result: found\nassistant: two boats'
    )
    assert agent.messages == [user("summary 1"), *[user(), says()] * 5]
    assert manager.removed_message_count == 4


async def test_a_second_summary_takes_in_the_first() -> None:
    agent = Speaker(*[user(), says()] * 4)
    manager = SummarizingConversationManager(0.5, 2)

    await reduce(manager, agent)
    await reduce(manager, agent)

    assert "user: summary 1" in agent.model.requests[1].messages[0].content
    assert agent.messages[0] == user("summary 2")
    restored = SummarizingConversationManager()
    assert restored.restore_from_session(manager.get_state()) == [user("summary 2")]
    assert restored.removed_message_count == manager.removed_message_count


async def test_a_given_agent_writes_the_summary() -> None:
    class Writer:
        async def run(self, prompt: str) -> Any:
            return SimpleNamespace(output=f"{prompt.count('user:')} questions")

    agent = Speaker(*[user(), says()] * 4)

    await reduce(SummarizingConversationManager(0.5, 2, summarization_agent=Writer()), agent)

    assert agent.messages[0] == user("2 questions")


async def test_too_few_messages_are_not_summarized() -> None:
    agent = Speaker(user(), says())

    with pytest.raises(ContextOverflowError):
        await reduce(SummarizingConversationManager(), agent)


def test_an_agent_and_a_prompt_for_the_summary_are_one_too_many() -> None:
    with pytest.raises(ConfigurationError, match="not both"):
        SummarizingConversationManager(summarization_agent=object(), summarization_system_prompt="Be brief.")


# --- All of them ----------------------------------------------------------------------------------


async def test_the_null_manager_leaves_everything() -> None:
    agent, manager = Speaker(*[user(), says()] * 50), NullConversationManager()

    manager.apply_management(agent)
    with pytest.raises(ContextOverflowError, match="too long"):
        await reduce(manager, agent)

    assert len(agent.messages) == 100


def test_the_state_of_another_kind_of_manager_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="kept with a NullConversationManager"):
        SlidingWindowConversationManager().restore_from_session(NullConversationManager().get_state())


def test_a_run_has_a_manager_that_knows_nothing_of_other_conversations() -> None:
    agent, manager = Speaker(*[user(), says()] * 3), SlidingWindowConversationManager(2)
    manager.apply_management(agent)

    made = manager.for_run()

    assert (made.removed_message_count, made.window_size) == (0, 2)
    assert manager.removed_message_count == 4


# --- In agents ------------------------------------------------------------------------------------


def overflowing(limit: int) -> list[str]:
    """Script a model that reads only so many messages, and return the list of its summaries."""
    summaries: list[str] = []

    def reply(request: ModelRequest) -> Any:
        if str(request.system).startswith("Summarize"):
            summaries.append(f"summary {len(summaries) + 1}")
            return summaries[-1]
        return OVERFLOW if len(request.messages) > limit else f"read {len(request.messages)} messages"

    script("small", reply)
    return summaries


def test_a_conversation_is_made_shorter_until_the_model_can_read_it() -> None:
    overflowing(3)
    history = [user("old"), says(), user("newer"), says()]
    agent = Agent("test/small", messages=history, callback_handler=None)

    assert str(agent("and now?")) == "read 3 messages\n"
    assert history[0] == user("newer")


def test_what_cannot_be_made_shorter_fails_with_what_the_model_said() -> None:
    overflowing(0)

    with pytest.raises(ContextOverflowError, match="too long"):
        Agent("test/small", callback_handler=None)("hello")


@pytest.mark.parametrize("always_replay", [False, True], ids=["held", "replayed"])
async def test_on_the_platform_a_summary_is_a_journaled_act_of_the_run(always_replay: bool) -> None:  # noqa: FBT001
    summaries = overflowing(5)
    history = [user(), says()] * 4
    manager = SummarizingConversationManager(0.5, 2)
    agent = Agent("test/small", name="small", messages=history, conversation_manager=manager)

    @workflow
    async def asking(ctx: Any) -> Any:
        first = await agent.run("and now?")
        await ctx.sleep(1)
        return first.output

    async with VirtualPlatform(always_replay=always_replay) as platform:
        assert await platform.run(asking) == "read 4 messages"

    assert summaries == ["summary 1", "summary 2"]
    assert (manager.removed_message_count, len(agent.messages)) == (0, 8)
