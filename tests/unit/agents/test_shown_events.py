"""Events of agents on the engine: replayed in the code, and shown to whoever watches the run."""

from typing import Any

import pytest

from towpath import Agent, BeforeModelCallEvent, Context, tool, tool_call, workflow
from towpath.context_services.secrets import Secrets
from towpath.errors import ComponentError
from towpath.testing import VirtualPlatform, broken_off, crash_everywhere, scripted
from towpath.testing.models import RecordedModel


@tool
def look_up(query: str) -> str:
    """Look something up."""
    return f"found {query}"


def desk() -> Agent:
    model = scripted(tool_call("look_up", query="boats"), "two boats are free")
    return Agent(name="desk", model=model, tools=[look_up])


WHOLE = [
    (1, "tool_call", "look_up", None),
    (2, "tool_result", "look_up", "found boats"),
    (3, "response", None, None),
    (4, "result", None, None),
]


def brief(event: dict[str, Any]) -> tuple[Any, ...]:
    result = None if event["type"] == "result" else event.get("result")
    return (event["seq"], event["type"], event.get("tool_name"), result)


async def test_a_workflow_hears_the_same_events_wherever_it_dies() -> None:
    agent = desk()

    @workflow
    async def listens(ctx: Context) -> list[Any]:
        return [
            [event.seq, event.type, event.content]
            async for event in agent.stream("Which boats?")
            if event.type not in {"response.delta", "thinking"}
        ]

    survived = await crash_everywhere(listens)

    assert survived.finished.result == [
        [1, "tool_call", ""],
        [2, "tool_result", ""],
        [3, "response", "two boats are free"],
        [4, "result", "two boats are free\n"],
    ]


async def test_whoever_watches_a_workflow_sees_what_it_hears_of_its_agents() -> None:
    agent = desk()

    @workflow
    async def listens(ctx: Context) -> None:
        async for _event in agent.stream("Which boats?"):
            pass

    async with VirtualPlatform() as platform:
        run = await platform.start(listens)
        await run.result()
        assert run.chunks == []
        ((place, told),) = run.streams.items()

    assert place.endswith("stream:desk#0")
    assert [*map(brief, told)] == WHOLE


async def test_whoever_watches_a_run_of_an_agent_sees_each_event_once_wherever_it_dies() -> None:
    shown: list[list[Any]] = []

    await crash_everywhere(
        desk(), "Which boats?", after_each=lambda run: shown.append([*map(brief, run.chunks)])
    )

    assert len(shown) > 10
    assert all(one == WHOLE for one in shown)


async def test_events_that_nobody_asked_for_are_not_shown() -> None:
    agent = desk()

    @workflow
    async def silent(ctx: Context) -> str:
        return (await agent.run("Which boats?")).output

    async with VirtualPlatform() as platform:
        run = await platform.start(silent)
        assert await run.result() == "two boats are free"
        assert run.chunks == []


async def test_an_answer_that_breaks_off_is_asked_for_again_where_it_is_only_shown() -> None:
    answers = iter([broken_off("two bo"), "two boats are free"])
    model = RecordedModel("breaking", lambda _request: next(answers), 0)

    async with VirtualPlatform() as platform:
        run = await platform.start(Agent(name="shaky", model=model), "Which boats?")
        assert (await run.result())["output"] == "two boats are free"
        assert [event["type"] for event in run.chunks] == ["response", "result"]


async def test_whoever_watches_an_agent_fail_is_told_why_without_secrets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TOWPATH_SECRET_CARD", "4111-2222-3333-4444")
    card = Secrets().get("card")

    def fails(_event: BeforeModelCallEvent) -> None:
        raise ValueError(f"{card} is blocked")

    async with VirtualPlatform() as platform:
        run = await platform.start(Agent(name="payer", model=scripted("Paid."), hooks=[fails]), "Pay.")
        with pytest.raises(ComponentError, match=r"\[secret card\] is blocked"):
            await run.result()
        assert [(event["type"], event["error"]) for event in run.chunks] == [
            ("error", "[secret card] is blocked")
        ]
