"""Questions of hooks in runs, which do not stop for them: a person decides, as about a tool that wants a yes."""

from collections.abc import Callable, Iterator
from io import StringIO
from itertools import count
from typing import Any

import pytest

from towpath import Agent, Context, ToolCall, script, tool, tool_call, workflow
from towpath.agents.hooks import AfterToolCallEvent, BeforeToolCallEvent
from towpath.agents.interrupts import InterruptState
from towpath.errors import ApprovalRequiredError, ContextError
from towpath.models.port import ModelRequest
from towpath.testing import VirtualPlatform, VirtualRun, crash_everywhere
from towpath.tools.confirmation import Confirmation, ProposedCall, ask_at_terminal, confirming
from towpath.waiting import Approval

done: list[str] = []


@pytest.fixture(autouse=True)
def _nothing_done() -> None:
    done.clear()


def delete(path: str) -> str:
    """Delete a file."""
    done.append(path)
    return f"deleted {path}"


def ask(event: BeforeToolCallEvent) -> None:
    said = event.interrupt("sure", {"why": "it is final"})
    if said != "yes":
        event.cancel_tool = f"the user said {said}"


def last(request: ModelRequest) -> str:
    return request.messages[-1].content


def desk(*hooks: Any, deletes: Any = delete) -> Agent:
    script("desk", [tool_call("delete", path="drafts"), last])
    return Agent("test/desk", name="desk", tools=[deletes], hooks=hooks or [ask], callback_handler=None)


# --- In process ---------------------------------------------------------------------------------------


async def test_without_anybody_to_ask_a_run_fails_and_keeps_no_question() -> None:
    agent = desk()

    with pytest.raises(
        ApprovalRequiredError, match=r"'delete'.*answer to 'sure'.*nobody can be asked"
    ) as caught:
        await agent.run("q")

    assert (caught.value.question, caught.value.arguments) == ("sure", {"path": "drafts"})
    assert done == []
    assert agent.conversation.interrupts == InterruptState()


async def test_the_handler_is_shown_the_question_and_the_call() -> None:
    shown: list[ProposedCall] = []

    with confirming(lambda proposed: not shown.append(proposed)):
        result = await desk().run("q")

    (proposed,) = shown
    assert (proposed.tool, proposed.description, proposed.agent) == ("delete", "Delete a file.", "desk")
    assert (proposed.arguments, proposed.question) == ({"path": "drafts"}, "sure")
    assert proposed.reason == {"why": "it is final"}
    assert (result.output, result.status, done) == ("deleted drafts", "completed", ["drafts"])


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (Approval("approved", comment="no"), "the user said no"),
        (Approval("rejected", "ada", comment="never"), "delete was not run: ada rejected it: never"),
        (False, "delete was not run: somebody rejected it"),
    ],
)
async def test_a_comment_is_the_answer_and_a_no_calls_nothing(said: Any, told: str) -> None:
    heard: list[Any] = []

    def hear(event: AfterToolCallEvent) -> None:
        heard.append(event.cancel_message)

    with confirming(lambda _proposed: said):
        result = await desk(ask, hear).run("q")

    assert (result.output, heard, done) == (told, [told], [])


def twice(event: BeforeToolCallEvent) -> None:
    first, second = event.interrupt("which"), event.interrupt("where")
    event.tool_use = {**event.tool_use, "input": {"path": f"{second}/{first}"}}


async def test_each_question_has_an_answer_of_its_own() -> None:
    answers = {"which": "drafts", "where": "home"}

    with confirming(lambda proposed: Approval("approved", comment=answers[proposed.question or ""])):
        await desk(twice).run("q")

    assert done == ["home/drafts"]


def numbered(numbers: Iterator[int]) -> Callable[[BeforeToolCallEvent], None]:
    def ask(event: BeforeToolCallEvent) -> None:
        event.interrupt("sure", next(numbers))

    return ask


def growing(event: BeforeToolCallEvent) -> None:
    event.tool_use["input"]["path"] += "/all"
    event.interrupt("sure")


@pytest.mark.parametrize("hook", [numbered(count()), growing], ids=["reason", "arguments"])
async def test_an_answer_is_good_for_these_arguments_and_this_reason_only(hook: Any) -> None:
    with (
        confirming(lambda _proposed: True),
        pytest.raises(ContextError, match=r"'sure'.*other arguments or another reason"),
    ):
        await desk(hook).run("q")

    assert done == []


async def test_an_answer_that_the_hook_knows_already_asks_nobody() -> None:
    def knows(event: BeforeToolCallEvent) -> None:
        event.cancel_tool = event.interrupt("sure", response="known already")

    assert (await desk(knows).run("q")).output == "known already"


@pytest.mark.parametrize(("typed", "deleted"), [("Y\n", ["drafts"]), ("n\n", []), ("\n", [])])
async def test_at_the_terminal_the_question_is_shown(
    typed: str, deleted: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", StringIO(typed))

    with confirming(ask_at_terminal):
        await desk().run("q")

    asked = "delete {'path': 'drafts'}\nsure: {'why': 'it is final'}\nRun it? [y/N] "
    assert (capsys.readouterr().out, done) == (asked, deleted)


# --- On the platform ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("decided", "told"),
    [
        ({}, "deleted drafts"),
        ({"comment": "no"}, "the user said no"),
        ({"decision": "rejected", "comment": "never"}, "delete was not run: ada rejected it: never"),
    ],
    ids=["yes", "a comment", "no"],
)
async def test_a_run_waits_for_an_approval_that_shows_the_question(decided: Any, told: str) -> None:
    agent = desk()

    async with VirtualPlatform(always_replay=True) as platform:
        run = await platform.start(agent, "q")
        (asked,) = platform.approvals()
        waiting = [*done]
        await platform.approve(asked, by="ada", **decided)
        result = await run.result()

    assert asked.name == "interrupt:sure"
    assert asked.asked.payload == {
        "tool": "delete",
        "arguments": {"path": "drafts"},
        "question": "sure",
        "reason": {"why": "it is final"},
    }
    assert (result["output"], waiting) == (told, [])
    assert done == (["drafts"] if told == "deleted drafts" else [])


async def test_a_question_that_nobody_answers_has_expired_after_a_day() -> None:
    agent = desk()

    async with VirtualPlatform() as platform:
        run = await platform.start(agent, "q")
        await platform.advance(hours=24)

        assert (await run.result())["output"] == "delete was not run: nobody approved it in time"
    assert done == []


async def test_an_answer_to_a_hook_is_no_yes_to_the_tool() -> None:
    agent = desk(deletes=tool(confirmation=Confirmation(("admin",), 60))(delete))

    async with VirtualPlatform(always_replay=True) as platform:
        run = await platform.start(agent, "q")
        (question,) = platform.approvals()
        await platform.approve(question, by="ada", role="admin")
        (confirmation,) = platform.approvals()
        waiting = [*done]
        await platform.approve(confirmation, by="ada", role="admin")

        assert (await run.result())["output"] == "deleted drafts"

    assert (question.name, confirmation.name) == ("interrupt:sure", "tool:delete")
    assert question.asked.roles == confirmation.asked.roles == ("admin",)
    assert waiting == []


async def test_a_handler_on_the_platform_is_asked_once_however_often_the_run_is_replayed() -> None:
    asked: list[ProposedCall] = []
    agent = desk()

    @workflow
    async def tidy(ctx: Context) -> str:
        with confirming(lambda proposed: not asked.append(proposed)):
            return (await agent.run("q")).output

    async with VirtualPlatform(always_replay=True) as platform:
        assert await platform.run(tidy) == "deleted drafts"

    assert ([one.question for one in asked], done) == (["sure"], ["drafts"])


async def test_calls_at_the_same_time_ask_and_are_answered_each_for_itself() -> None:
    calls = tuple(ToolCall(id=one, name="delete", arguments={"path": one}) for one in ("a", "b"))
    script("desk", [calls, "done"])
    agent = Agent("test/desk", name="desk", tools=[delete], hooks=[ask])

    async with VirtualPlatform(always_replay=True) as platform:
        run = await platform.start(agent, "q")
        shown = {one.asked.payload["arguments"]["path"]: one for one in platform.approvals()}
        await platform.approve(shown["b"], by="ada")
        await platform.approve(shown["a"], decision="rejected", by="ada")
        await run.result()

    assert done == ["b"]


async def test_an_agent_that_is_a_tool_asks_in_the_callers_run() -> None:
    script("guide", [tool_call("desk", input="clean up"), last])
    guide = Agent("test/guide", name="guide", tools=[desk()])

    async with VirtualPlatform(always_replay=True) as platform:
        run = await platform.start(guide, "q")
        await platform.approve(run, by="ada")

        assert (await run.result())["output"] == "deleted drafts\n"
    assert done == ["drafts"]


async def test_a_run_killed_at_any_moment_asks_once_and_calls_the_tool_once() -> None:
    async def decides(platform: VirtualPlatform, run: VirtualRun) -> None:
        (asked,) = platform.approvals(run)
        await platform.approve(asked, by="ada")

    def once(run: VirtualRun) -> None:
        assert done == ["drafts"], run

    agent = desk(deletes=tool(delete))
    survived = await crash_everywhere(agent, "q", script=decides, before_each=done.clear, after_each=once)

    assert survived.finished.result["output"] == "deleted drafts"
