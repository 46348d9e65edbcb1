"""`Agent`: the definition of an agent, and the conversation that it has by itself; each run has one of its own."""

from collections.abc import Callable, Mapping, Sequence, Set as AbstractSet
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel

from towpath.agents.bounds import bounds_of
from towpath.agents.bridge import run_sync
from towpath.agents.cancellation import Cancellation
from towpath.agents.content import DictMessage, copied
from towpath.agents.conversation import Conversation
from towpath.agents.defaults import DEFAULT, one_of
from towpath.agents.exclusivity import ConcurrentInvocationMode, Exclusivity
from towpath.agents.executors import ConcurrentToolExecutor, ToolExecutor
from towpath.agents.facilities import TOOLS_FOLDER
from towpath.agents.handing_over import successors_of
from towpath.agents.hooks import AgentInitializedEvent, HookCallback, HookEvent, HookProvider, HookRegistry
from towpath.agents.in_session import InSession
from towpath.agents.managers.port import ConversationManager
from towpath.agents.managers.sliding_window import SlidingWindowConversationManager
from towpath.agents.meters import Meter
from towpath.agents.origin import Origin
from towpath.agents.plugins import Plugin, checked_plugins
from towpath.agents.printing import PrintingCallbackHandler
from towpath.agents.prompts import history_of, system_blocks, system_text
from towpath.agents.registration import register
from towpath.agents.retrying import retry_of
from towpath.agents.running import Running
from towpath.agents.session_managers.port import Keeper
from towpath.agents.state import AgentState, state_of
from towpath.agents.toolbox import toolbox
from towpath.argument_types import check_arguments
from towpath.errors import ConfigurationError, InvalidInputError, RegistrationError
from towpath.limits import AnyLimit, described_limits
from towpath.memory.memory import Memory
from towpath.models import resolve
from towpath.models.port import LanguageModel, Message


class Agent(Running):
    """A model with instructions and tools.

    There are two ways to use it. A conversation, which the agent has by itself and which grows from call to call:
    `agent(prompt)`, `invoke_async`, `stream_async`; one at a time. Runs, each with a conversation of its own, any
    number at once, durable where they are part of a durable run: `run`, `stream`. With a name an agent is also a
    component, which the platform can run.

    Args:
        model: `provider/model`, or a model; the default model if not given.
        messages: Messages that the conversation and every run begin with; the conversation uses this very list.
        tools: What its model may call; see `towpath.tools.loading.tools_in`.
        system_prompt: What the model is told first, as text or content blocks; `instructions` is its other name.
        structured_output_model: The pydantic model that answers are objects of, unless a call says another.
        callback_handler: Told all events as `handler(**event)`; what it raises ends the call. By default
            conversations are printed, and runs are silent.
        conversation_manager: Keeps the conversation short enough; a sliding window of 40 messages if not given.
        record_direct_tool_call: Whether calls of `agent.tool.<name>()` are written into the conversation.
        load_tools_from_directory: Whether the tools in `./tools` are loaded, and loaded again when they change.
        trace_attributes: Attributes of its spans.
        agent_id: What it is called in attribution and sessions; the name if not given.
        name: What it is called in journals, handoffs and requests.
        description: What it is good for; told to agents that may hand over to it.
        state: Values that belong to the conversation, and that no model is told.
        plugins: Hooks and tools that belong together.
        hooks: Who hears what it does, and may change it: `HookProvider`s, or functions of one typed event.
        session_manager: Keeps its own conversation beyond the process; `session` is its other name.
        structured_output_prompt: What a model is told that has answered with text, where an object is wanted.
        tool_executor: In which order the tool calls of a turn are made; all at once if not given.
        retry_strategy: How often a model call is tried; None for once.
        concurrent_invocation_mode: What a second conversation at the same time meets.
        instructions: See `system_prompt`.
        session: The session in which it speaks: its own conversation, and runs that do not say another.
        memory: What it is reminded of before it answers, where a run does not say another.
        max_iterations: How often one invocation may call a model; 10 for runs if not given.
        handoffs: Agents that it may hand the conversation to.
        limits: `{"turns": n}`, as `max_iterations`; what may be spent, as a `Budget` or several; and how many of its
            runs on the platform work at once, how often one begins, which of them are one: see `towpath.limits`.

    Raises:
        TypeError: If both names of one thing are given.
        ConfigurationError: If a parameter cannot be what it is.
        RegistrationError: If two of its tools have one name, or a tool cannot be loaded.
    """

    @check_arguments
    def __init__(  # noqa: PLR0917 - the order in which people give them
        self,
        model: str | LanguageModel | None = None,
        messages: Sequence[Mapping[str, Any] | Message] | None = None,
        tools: Sequence[Any] | AbstractSet[Any] | None = None,
        system_prompt: str | Sequence[Mapping[str, Any]] | None = None,
        structured_output_model: type[BaseModel] | None = None,
        callback_handler: Callable[..., Any] | None = DEFAULT,
        conversation_manager: ConversationManager | None = None,
        record_direct_tool_call: bool = True,  # noqa: FBT001, FBT002
        load_tools_from_directory: bool = False,  # noqa: FBT001, FBT002
        trace_attributes: Mapping[str, Any] | None = None,
        *,
        agent_id: str | None = None,
        name: str | None = None,
        description: str | None = None,
        state: AgentState | Mapping[str, Any] | None = None,
        plugins: Sequence[Plugin] | None = None,
        hooks: Sequence[HookProvider | HookCallback] | None = None,
        session_manager: Any = None,
        structured_output_prompt: str | None = None,
        tool_executor: ToolExecutor | None = None,
        retry_strategy: Any = DEFAULT,
        concurrent_invocation_mode: str | ConcurrentInvocationMode = ConcurrentInvocationMode.THROW,
        instructions: str | Sequence[Mapping[str, Any]] | None = None,
        session: Any = None,
        memory: Memory | None = None,
        max_iterations: int | None = None,
        handoffs: "Sequence[Agent] | None" = None,
        limits: Sequence[AnyLimit | Meter | Mapping[str, int]]
        | AnyLimit
        | Meter
        | Mapping[str, int]
        | None = None,
    ) -> None:
        keeper = Keeper.of(one_of(session=session, session_manager=session_manager))
        self.name = name
        self.agent_id = _checked_id(agent_id or name or "default")
        self.description = description or ""
        self.model = model
        self.system_prompt = one_of(system_prompt=system_prompt, instructions=instructions)
        self.structured_output_model = structured_output_model
        self.structured_output_prompt = structured_output_prompt
        self.callback_handler = PrintingCallbackHandler() if callback_handler is DEFAULT else callback_handler
        self.record_direct_tool_call = record_direct_tool_call
        self.load_tools_from_directory = load_tools_from_directory
        self.trace_attributes = _plain_attributes(trace_attributes or {})
        self.session, self.session_manager = keeper
        self.memory = memory
        self.tool_executor: ToolExecutor = tool_executor or ConcurrentToolExecutor()
        self.model_retry = retry_of(retry_strategy)
        self.handoffs: Sequence[Agent] = handoffs or ()
        self.max_turns, self.meters, others = bounds_of(max_iterations, limits)
        self.limits = described_limits(self.label, others)
        self.plugins = checked_plugins(plugins)
        self.toolbox = toolbox([tools or [], *(plugin.tools for plugin in self.plugins)])
        self.under_way: set[Cancellation] = set()
        self.origin = Origin.here()
        self._run_handler = None if callback_handler is DEFAULT else callback_handler
        self._given = copied(_history(messages))
        self.in_session = (
            None if self.session is None else InSession(self.session, self.agent_id, self._given)
        )
        mode = ConcurrentInvocationMode.of(concurrent_invocation_mode)
        self.exclusive = Exclusivity(self.label, mode if self.in_session is None else mode.queueing)
        manager = conversation_manager or SlidingWindowConversationManager()
        keepers = HookRegistry.of(self.session_manager, manager)
        self.conversation = Conversation(_history(messages), state_of(state), manager, keepers=keepers)
        self.hooks = self._hooks(hooks or ())
        if load_tools_from_directory:
            self.load_tools_from(Path.cwd() / TOOLS_FOLDER)
        if name is not None:
            register(self, name)
        for heard in (keepers, self.hooks):
            heard.tell_now(AgentInitializedEvent(self))

    def __repr__(self) -> str:
        return f"Agent(name={self.name!r}, model={self.model!r})"

    def _hooks(self, given: Sequence[HookProvider | HookCallback]) -> HookRegistry:
        registry = HookRegistry()
        for one in given:
            registry.add_hook(one)
        for plugin in self.plugins:
            begun = plugin.init_agent(self)
            if begun is not None:
                run_sync(_awaited(begun), f"{plugin.name}.init_agent()")
            plugin.register_hooks(registry)
        return registry

    # --- What it is ---------------------------------------------------------------------------------

    @property
    def label(self) -> str:
        """What the agent is called in the journal."""
        return self.name or "agent"

    @property
    def system_prompt(self) -> str | None:
        """What the model is told first, as text; setting it takes text, content blocks or None."""
        return system_text(self._system)

    @system_prompt.setter
    def system_prompt(self, prompt: str | Sequence[Mapping[str, Any]] | None) -> None:
        self._system = system_blocks(prompt)

    @property
    def instructions(self) -> str | None:
        """The system prompt, by its other name."""
        return self.system_prompt

    @property
    def system_prompt_content(self) -> list[dict[str, Any]] | None:
        """The system prompt as content blocks; a copy."""
        return copied(self._system) or None

    @property
    def tool_names(self) -> list[str]:
        """Names of all tools; those of an MCP server as they were found last."""
        return [*self.toolbox.latest]

    @property
    def successors(self) -> "Mapping[str, Agent]":
        """The agents that the conversation may be handed to, by the name of the tool that does it.

        Raises:
            ConfigurationError: If one of them has no name.
        """
        return successors_of(self.label, self.handoffs) if self.handoffs else {}

    def language_model(self) -> LanguageModel:
        """Resolve the model.

        Raises:
            ConfigurationError: If it is not known.
        """
        return resolve(self.model)

    def add_hook(
        self, callback: HookCallback, event_type: type[HookEvent] | Sequence[type[HookEvent]] | None = None
    ) -> None:
        """Have `callback` told of what the agent does; without an event type, the hint of its parameter says it.

        Raises:
            RegistrationError: If no event type is said, or it is none.
        """
        self.hooks.add_callback(event_type, callback)


async def _awaited(begun: Any) -> None:
    await begun


def _history(messages: Any) -> list[DictMessage]:
    """Read the messages that an agent begins with: a list that holds dict messages is used itself."""
    try:
        read = history_of(messages or ())
    except InvalidInputError as error:
        raise ConfigurationError(f"Agent(messages=...): {error}") from error
    if not isinstance(messages, list):
        return read
    held = cast("list[DictMessage]", messages)
    held[:] = read
    return held


def _checked_id(agent_id: str) -> str:
    if "/" in agent_id or "\\" in agent_id:
        raise RegistrationError(f"agent_id {agent_id!r} holds a path separator; leave it out")
    return agent_id


def _plain_attributes(given: Mapping[str, Any]) -> dict[str, Any]:
    """Keep the attributes that a span can have: plain values, and lists of them."""
    return {name: value for name, value in given.items() if _is_plain(value)}


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return all(map(_is_plain, cast("list[Any]", value)))
    return isinstance(value, str | int | float | bool)
