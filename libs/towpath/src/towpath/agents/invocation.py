"""One invocation under way: whose, of which conversation, in which context, and who is told of it."""

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol

from towpath.agents.cancellation import Cancellation
from towpath.agents.content import DictMessage
from towpath.agents.conversation import Conversation, view_of
from towpath.agents.events import Event, EventType, Listener
from towpath.agents.handing_over import hand_off_specs, successor_named
from towpath.agents.hooks import Hearers, HookRegistry, MessageAddedEvent
from towpath.agents.inbox import Inbox
from towpath.agents.meters import Meter
from towpath.agents.metrics import AgentInvocation, summed
from towpath.agents.result import AgentResult, status_of
from towpath.agents.structured_output import StructuredOutput
from towpath.agents.toolbox import Toolbox
from towpath.agents.tracing import Tracing
from towpath.context import Context
from towpath.models.port import LanguageModel, ToolSpec
from towpath.retry import RetryPolicy
from towpath.tools.calls import ToolCall
from towpath_schemas.usage import Usage


class Role(Protocol):
    """What the loop has to know of an agent."""

    @property
    def label(self) -> str:
        """What the agent is called in the journal."""
        ...

    @property
    def instructions(self) -> str | None:
        """The system prompt."""
        ...

    @property
    def toolbox(self) -> Toolbox:
        """The tools by name, and where more come from."""
        ...

    @property
    def successors(self) -> Mapping[str, "Role"]:
        """The agents that the conversation may be handed to, by the name of the tool that does it."""
        ...

    @property
    def trace_attributes(self) -> Mapping[str, Any]:
        """Attributes of its spans."""
        ...

    @property
    def hooks(self) -> HookRegistry:
        """Who hears what it does."""
        ...

    @property
    def tool_executor(self) -> Any:
        """How the tools of a turn are run; a `ToolExecutor`."""
        ...

    @property
    def under_way(self) -> set[Cancellation]:
        """What stops each of its invocations that have not ended."""
        ...

    @property
    def model_retry(self) -> RetryPolicy:
        """How often a model call is tried."""
        ...

    @property
    def meters(self) -> Sequence[Meter]:
        """Who watches over what it spends."""
        ...

    def language_model(self) -> LanguageModel:
        """Resolve the model."""
        ...


@dataclass(slots=True, eq=False)
class Invocation:
    """What one invocation has gathered so far.

    Attributes:
        agent: Who speaks: the agent that was called, or whom it has handed over to.
        conversation: What was said.
        context: Who makes the calls.
        state: What the caller gave along (`invocation_state`), and what hooks and tools wrote.
        listener: Who listens, if anybody does.
        output: The object that it is to end with, if it is.
        max_turns: How often a model may be called; None for as often as it takes.
        meters: Who watches over what it spends.
        inbox: What is said to it meanwhile.
        reminder: What was remembered before it began; every model is told.
        is_exhausted: Whether a tool was not called because nothing was left to spend.
        can_pause: Whether a question to a person pauses it; else somebody is asked at once, or it fails.
        handoffs: Whom it was handed to, one by the other, by name.
        iterations: How often a model was called.
        cut: What a model had said when the invocation was cancelled from outside.
        added: The messages that it has added.
        tool_calls: The tool calls that models asked for.
        measured: What it took.
        tools: What may be called, by name.
        view: The agent as hooks, tools and managers see it.
        hooks: Who hears what is done: who keeps the conversation, what stays of agents before, and the agent's own hooks.
        first: The agent that was called, as hooks see it.
        first_hooks: Who hears when the invocation begins and ends.
        spans: Records what it does, where somebody wants to know.
    """

    agent: Role
    conversation: Conversation
    context: Context
    state: dict[str, Any]
    listener: Listener | None = None
    output: StructuredOutput | None = None
    max_turns: int | None = None
    meters: Sequence[Meter] = ()
    inbox: Inbox = field(default_factory=Inbox)
    reminder: str | None = None
    is_exhausted: bool = False
    can_pause: bool = False
    handoffs: list[str] = field(default_factory=list[str])
    iterations: int = 0
    cut: str = ""
    added: list[DictMessage] = field(default_factory=list[DictMessage])
    tool_calls: list[ToolCall] = field(default_factory=list[ToolCall])
    measured: AgentInvocation = field(init=False)
    tools: Toolbox = field(init=False)
    view: Any = field(init=False)
    hooks: Hearers = field(init=False)
    first: Any = field(init=False)
    first_hooks: Hearers = field(init=False)
    spans: Tracing = field(init=False)
    _heard_by: tuple[tuple[HookRegistry, Any], ...] = field(init=False)

    def __post_init__(self) -> None:
        self.spans = Tracing(self.context, self.agent.trace_attributes)
        self.measured = self.conversation.metrics.begin()
        self.tools = self.agent.toolbox.latest
        self.conversation.exposed = False
        self.view = self.first = view_of(self.agent, self.conversation)
        self._heard_by = ((self.conversation.keepers, self.first),) if self.conversation.keepers else ()
        self.hooks = self.first_hooks = Hearers(*self._heard_by, (self.agent.hooks, None))
        self.state["agent"] = self.view
        self.state.setdefault("request_state", {})

    @property
    def cancelled(self) -> bool:
        """Whether it is to stop."""
        return self.conversation.cancellation.requested

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        """What the model is told of tools and handoffs."""
        successors = self.agent.successors
        return (*self.tools.specs, *hand_off_specs(successors)) if successors else self.tools.specs

    async def load_tools(self) -> None:
        """Ask where the tools of the one who speaks come from what there is now."""
        self.tools = await self.agent.toolbox.of_run(self.context)
        if self.view is not self.agent:
            self.view.toolbox = self.tools

    def hand_over(self, to: Role) -> None:
        """Have another agent speak from now on."""
        if self.agent.hooks.staying is not None:
            self._heard_by = (*self._heard_by, (self.agent.hooks.staying, None))
        self.hooks = Hearers(*self._heard_by, (to.hooks, None))
        self.agent = to
        self.handoffs.append(to.label)
        self.meters = (*self.meters, *(meter for meter in to.meters if meter not in self.meters))
        self.state["agent"] = self.view = view_of(to, self.conversation)

    def go_on(self) -> None:
        """Have the agent speak again that spoke when the conversation stopped at a question.

        Raises:
            ConfigurationError: If it cannot be handed to that agent any more.
        """
        for name in self.conversation.interrupts.handoffs[len(self.handoffs) :]:
            self.hand_over(successor_named(self.agent, name))

    def told(self, kind: EventType, **said: Any) -> None:
        """Tell whoever listens; callers look for a listener first where making what is said takes time."""
        if self.listener is not None:
            self.tell(Event(kind, **said))

    def tell(self, event: Event) -> None:
        """Tell whoever listens; a listener that raises is told nothing more."""
        listener, self.listener = self.listener, None
        if listener is not None:
            listener.tell(event)
            self.listener = listener

    async def caught_up(self) -> None:
        """Wait until whoever listens has heard everything."""
        if self.listener is not None:
            await self.listener.caught_up()

    @property
    def is_watched(self) -> bool:
        """Whether others than the loop may have changed what was said: before it began, or since they have seen it."""
        return not self.iterations or self.conversation.exposed or bool(self.hooks)

    async def hear(self) -> bool:
        """Add what was said to it meanwhile; tell whether there was anything."""
        heard = await self.inbox.take(self.context)
        for message in heard:
            await self.add(message)
        return bool(heard)

    async def add(self, message: DictMessage) -> None:
        """Add a message to the conversation."""
        self.conversation.messages.append(message)
        self.added.append(message)
        if self.hooks.hears(MessageAddedEvent):
            await self.hooks.tell(MessageAddedEvent(self.view, message))

    @property
    def usage(self) -> Usage:
        """Tokens of all its model calls."""
        return summed(cycle.usage for cycle in self.measured.cycles)

    def result(self, message: DictMessage, stop_reason: str) -> AgentResult:
        """Tell how it ended."""
        value = None if self.output is None else self.output.value
        text = "\n".join(block["text"] for block in message["content"] if "text" in block)
        pending = self.conversation.interrupts.pending if stop_reason == "interrupt" else ()
        return AgentResult(
            output=text if value is None else value,
            status=status_of(stop_reason),
            message=message,
            stop_reason=stop_reason,
            usage=self.usage,
            tool_calls=tuple(self.tool_calls),
            iterations=self.iterations,
            agent=self.agent.label,
            handoff_to=self.handoffs[-1] if self.handoffs else None,
            structured_output=value,
            state={**self.conversation.state.get(), **self.state["request_state"]},
            interrupts=tuple(pending),
            run_id=self.context.run_id,
            metrics=self.conversation.metrics,
        )


_speaking: ContextVar[Invocation | None] = ContextVar("towpath_invocation", default=None)


class speaking:  # noqa: N801 - used like a function; a class, since every tool call enters one
    """Have code inside the block know the invocation that it is called in."""

    __slots__ = ("_invocation", "_token")

    def __init__(self, invocation: Invocation) -> None:
        self._invocation = invocation

    def __enter__(self) -> None:
        self._token = _speaking.set(self._invocation)

    def __exit__(self, *_error: object) -> None:
        _speaking.reset(self._token)


def calling_invocation() -> Invocation | None:
    """Return the invocation whose tool call the running code is part of, if it is of one."""
    return _speaking.get()
