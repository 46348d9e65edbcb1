"""Plans: what an agent would do about a prompt, as an object that a person can look at before anything is done."""

from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable, Mapping
from typing import Any, Literal

from towpath.agents.content import DictMessage, port_messages
from towpath.agents.meters import Meter
from towpath.agents.prompts import Prompt, prompt_messages
from towpath.context import Context
from towpath.discarding import Discardable
from towpath.models.port import LanguageModel
from towpath.tools.calls import ToolCall
from towpath.tools.tool import Tool
from towpath_schemas.shape import Shape

_ASKED = (
    "Do not do what the user asks for yet: plan it. Answer with the steps that you would take, in their order. A step "
    "that uses a tool names it; one that does not is a step of thought. depends_on has the numbers, from 1, of the "
    "steps whose results it needs."
)


class PlannedTool(Shape):
    """A tool that a step would use."""

    name: str
    description: str = ""


class PlanStep(Shape):
    """One step of a plan.

    Attributes:
        type: `tool` where it uses one, else `reason`.
        description: What is to be done.
        tool: What it uses.
        depends_on: Numbers, from 1, of the steps whose results it needs.
    """

    type: Literal["tool", "reason"]
    description: str
    tool: PlannedTool | None = None
    depends_on: tuple[int, ...] = ()


class Plan(Shape):
    """What an agent would do; nothing of it has been done, and nothing does it by itself.

    Attributes:
        prompt: What it is about.
    """

    prompt: str
    steps: tuple[PlanStep, ...]

    def __str__(self) -> str:
        return "\n".join(f"{number}. {_line(step)}" for number, step in enumerate(self.steps, 1))


class Planning(Discardable, Awaitable[Plan]):
    """A plan that is made when this is awaited; not awaiting it is fine, so a step of it can be replayed.

    Attributes:
        result_type: As what the JSON of the plan is read.
    """

    result_type = Plan

    def __init__(self, make: Callable[[], Coroutine[Any, Any, Plan]]) -> None:
        self._make = make

    def __await__(self) -> Generator[Any, None, Plan]:
        return self._make().__await__()

    def discard(self) -> None:
        """Do nothing: it has not begun."""


class _DraftStep(Shape):
    """A step as a model writes it."""

    description: str
    tool: str | None = None
    depends_on: tuple[int, ...] = ()


class _Draft(Shape):
    """A plan as a model writes it."""

    steps: tuple[_DraftStep, ...]


async def planned(
    context: Context,
    prompt: Prompt,
    *,
    model: LanguageModel,
    instructions: str | None,
    tools: Mapping[str, Tool],
) -> Plan:
    """Have a model plan what it would do about `prompt`; one model call, in which it cannot use tools.

    A step that names a tool that there is not is one of thought; the log says so.

    Raises:
        ModelError: If the provider failed, or answered with what is no plan.
    """
    system = "\n\n".join(filter(None, (instructions, _ASKED, _described(tools.values()))))
    messages = prompt_messages(prompt)
    told = [one for message in messages for one in port_messages(message)]
    answer = await context.llm.generate(told, system=system, model=model, schema=_Draft)
    draft: _Draft = answer.object
    steps = tuple(_step(context, number, step, tools) for number, step in enumerate(draft.steps, 1))
    return Plan(prompt="\n".join(map(_words, messages)), steps=steps)


def with_plan(prompt: Prompt, plan: Plan) -> list[DictMessage]:
    """Write a prompt that is to be done by this plan."""
    told = {"text": f"Follow this plan, which has been approved:\n{plan}"}
    *earlier, last = prompt_messages(prompt) or [{"role": "user", "content": []}]
    return [*earlier, {**last, "content": [*last["content"], told]}]


class PlanMeter(Meter):
    """Holds a run against its plan: a call of a tool that the plan does not name is logged."""

    def __init__(self, plan: Plan) -> None:
        self._tools = frozenset(step.tool.name for step in plan.steps if step.tool is not None)

    async def before_tool(self, context: Context, call: ToolCall) -> None:
        """Log a call that was not planned; it is made all the same."""
        if call.name not in self._tools:
            context.logger.warning("a tool is called that the plan does not name", tool=call.name)


def _line(step: PlanStep) -> str:
    tool = "" if step.tool is None else f" (with {step.tool.name})"
    needs = f" (after {', '.join(map(str, step.depends_on))})" if step.depends_on else ""
    return f"{step.description}{tool}{needs}"


def _described(tools: Iterable[Tool]) -> str:
    listed = "\n".join(f"- {tool.name}: {tool.description}" for tool in tools)
    return f"There are these tools:\n{listed}" if listed else "There are no tools."


def _step(context: Context, number: int, drafted: _DraftStep, tools: Mapping[str, Tool]) -> PlanStep:
    tool = None if drafted.tool is None else tools.get(drafted.tool)
    if drafted.tool and tool is None:
        context.logger.warning("a plan names a tool that there is not", tool=drafted.tool)
    return PlanStep(
        type="reason" if tool is None else "tool",
        description=drafted.description,
        tool=None if tool is None else PlannedTool(name=tool.name, description=tool.description),
        depends_on=tuple(one for one in drafted.depends_on if 0 < one < number),
    )


def _words(message: DictMessage) -> str:
    return "\n".join(block["text"] for block in message["content"] if "text" in block)
