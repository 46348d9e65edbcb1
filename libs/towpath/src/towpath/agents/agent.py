"""`Agent`: the definition of an agent; each run of it has a conversation of its own."""

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from towpath.agents.loop import HAND_OFF, Conversation, converse
from towpath.agents.result import AgentResult
from towpath.agents.run import AgentRun
from towpath.agents.slots import DEFAULT, ConcurrentInvocationMode, one_of, refuse_unsupported
from towpath.agents.toolbox import toolbox
from towpath.components import REGISTRY, Component, ComponentType
from towpath.context import Context, context_or_none, running_in
from towpath.definitions import MARK
from towpath.errors import ConfigurationError
from towpath.limits import AnyLimit, described_limits
from towpath.local.local_context import LocalContext
from towpath.memory.memory import Memory
from towpath.memory.reminding import reminder
from towpath.models import resolve
from towpath.models.port import LanguageModel, Message, ToolSpec
from towpath.models.prompts import Prompt, messages_of, text_of
from towpath.retry import ONCE
from towpath.schema import CallableSchema, schema_of
from towpath.sessions.session import Session
from towpath.tools.tool import Tool

MAX_ITERATIONS = 10
"""How often a run calls a model, unless the agent says otherwise."""

_OTHER_DEFAULTS: Mapping[str, Any] = {
    "callback_handler": DEFAULT,
    "record_direct_tool_call": True,
    "load_tools_from_directory": False,
    "retry_strategy": DEFAULT,
    "concurrent_invocation_mode": ConcurrentInvocationMode.THROW,
}
"""Defaults, other than None, of parameters that are not supported yet."""


class Agent:
    """A model with instructions and tools.

    With a name it is also a component, which the platform can run.

    Args:
        model: `provider/model`, or a model; the default model if not given.
        messages: Messages that every run begins with.
        tools: Tool objects, plain functions, and lists of them.
        system_prompt: What the model is told first; `instructions` is its other name.
        agent_id: What it is called in attribution; the name if not given.
        name: What it is called in journals, handoffs and requests.
        description: What it is good for; told to agents that may hand over to it.
        session: The session in which its runs speak, where a run does not say another.
        memory: What its runs are reminded of before they answer, where a run does not say another.
        max_iterations: How often a run may call a model.
        handoffs: Agents that it may hand the conversation to.
        limits: How many of its runs on the platform work at once, how often one begins, which of them are one; see
            `towpath.limits`.

    Raises:
        TypeError: If both names of one thing are given.
        ConfigurationError: If a parameter is given that is not supported yet.
        RegistrationError: If another agent has this name.
    """

    def __init__(  # noqa: PLR0917 - the order in which people give them
        self,
        model: str | LanguageModel | None = None,
        messages: Sequence[Any] | None = None,
        tools: Sequence[Any] | None = None,
        system_prompt: Any = None,
        structured_output_model: Any = None,
        callback_handler: Any = DEFAULT,
        conversation_manager: Any = None,
        record_direct_tool_call: bool = True,  # noqa: FBT001, FBT002
        load_tools_from_directory: bool = False,  # noqa: FBT001, FBT002
        trace_attributes: Mapping[str, Any] | None = None,
        *,
        agent_id: str | None = None,
        name: str | None = None,
        description: str | None = None,
        state: Any = None,
        plugins: Any = None,
        hooks: Any = None,
        session_manager: Any = None,
        structured_output_prompt: str | None = None,
        tool_executor: Any = None,
        retry_strategy: Any = DEFAULT,
        concurrent_invocation_mode: ConcurrentInvocationMode = ConcurrentInvocationMode.THROW,
        instructions: Any = None,
        session: Session | None = None,
        memory: Memory | None = None,
        max_iterations: int | None = None,
        handoffs: "Sequence[Agent] | None" = None,
        limits: Sequence[AnyLimit] | None = None,
    ) -> None:
        one_of(session=session, session_manager=session_manager)
        refuse_unsupported(
            {
                "structured_output_model": structured_output_model,
                "callback_handler": callback_handler,
                "conversation_manager": conversation_manager,
                "record_direct_tool_call": record_direct_tool_call,
                "load_tools_from_directory": load_tools_from_directory,
                "trace_attributes": trace_attributes,
                "state": state,
                "plugins": plugins,
                "hooks": hooks,
                "structured_output_prompt": structured_output_prompt,
                "tool_executor": tool_executor,
                "retry_strategy": retry_strategy,
                "concurrent_invocation_mode": concurrent_invocation_mode,
                "session_manager": session_manager,
            },
            _OTHER_DEFAULTS,
        )
        prompt = one_of(system_prompt=system_prompt, instructions=instructions)
        self.name = name
        self.agent_id = agent_id or name
        self.description = description or ""
        self.model = model
        self.messages = tuple(messages_of(messages))
        self.instructions: str | None = None if prompt is None else text_of(prompt)
        self.session = session
        self.memory = memory
        self.max_iterations = _at_least_one(MAX_ITERATIONS if max_iterations is None else max_iterations)
        self.handoffs: Sequence[Agent] = handoffs or ()
        self.toolbox: Mapping[str, Tool] = toolbox(tools or ())
        self.limits = described_limits(self.label, limits)
        if name is not None:
            self._register(name)

    def __repr__(self) -> str:
        return f"Agent(name={self.name!r}, model={self.model!r})"

    @property
    def system_prompt(self) -> str | None:
        """The instructions, under their other name."""
        return self.instructions

    @property
    def label(self) -> str:
        """What the agent is called in the journal."""
        return self.name or "agent"

    @property
    def tool_names(self) -> list[str]:
        """Names of all tools."""
        return [*self.toolbox]

    @property
    def successors(self) -> "Mapping[str, Agent]":
        """The agents that the conversation may be handed to, by the name of the tool that does it.

        Raises:
            ConfigurationError: If one of them has no name.
        """
        return self._successors

    @cached_property
    def _successors(self) -> "Mapping[str, Agent]":
        if any(agent.name is None for agent in self.handoffs):
            raise ConfigurationError(f"{self.label} hands over to an agent without a name; give it one")
        return {_hand_off_name(agent): agent for agent in self.handoffs}

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        """What the model is told of tools and handoffs."""
        return self._specs

    @cached_property
    def _specs(self) -> tuple[ToolSpec, ...]:
        tools = [ToolSpec.of(tool) for tool in self.toolbox.values()]
        return (*tools, *(_hand_off_spec(name, agent) for name, agent in self.successors.items()))

    def language_model(self) -> LanguageModel:
        """Resolve the model.

        Raises:
            ConfigurationError: If it is not known.
        """
        return resolve(self.model)

    def run(
        self, prompt: Prompt = None, *, session: Session | None = None, memory: Memory | None = None
    ) -> AgentRun:
        """Return a run of this agent on `prompt`; it begins when it is awaited.

        Each run has a conversation of its own, so any number may be under way. Awaited in a component it
        is as durable as the component is; elsewhere it runs in this process.

        Args:
            prompt: What the agent is told.
            session: The session in which it speaks, in place of the agent's: the run knows what was said in it
                before, and when it ends, all of its own turn is appended at once.
            memory: What the run is reminded of, in place of the agent's: what is most like the prompt, of the
                session's user and of the run's.
        """
        return AgentRun(lambda: self._run_anywhere(prompt, session or self.session, memory or self.memory))

    async def _run_anywhere(
        self, prompt: Prompt, session: Session | None, memory: Memory | None
    ) -> AgentResult:
        context = context_or_none()
        if context is not None:
            return await self._run_in(context, prompt, session, memory)
        if session is not None:
            await session.flush()  # what the script has set: inside, that is another's
        alone = LocalContext(component_type=ComponentType.AGENT)
        with running_in(alone):
            return await self._run_in(alone, prompt, session, memory)

    async def _run_in(
        self, context: Context, prompt: Prompt, session: Session | None, memory: Memory | None
    ) -> AgentResult:
        with context.in_session(None if session is None else session.id):
            past = [] if session is None else await session.conversation()
            known, told = [*self.messages, *past], messages_of(prompt)
            conversation = Conversation([*known, *told], await self._reminder(context, told, session, memory))
            result = await converse(self, conversation, context)
            if session is not None:
                await session.append(conversation.messages[len(known) :], {"agent": result.agent})
        return result

    async def _reminder(
        self, context: Context, told: Sequence[Message], session: Session | None, memory: Memory | None
    ) -> str | None:
        if memory is None:
            return None
        with context.scope(f"memory:{self.label}", agent=self.label):
            return await reminder(memory, context, told, session)

    async def _execute(self, context: Any, payload: Any) -> AgentResult:
        """Run as a component.

        The payload is a prompt, or an object with a `prompt` or a `message`, and a `session_id` if it is to speak in
        that session.
        """
        match payload:
            case {"message": str() as prompt, **others} if "prompt" not in others:
                payload = {**others, "prompt": prompt}
            case str():
                payload = {"prompt": payload}
            case _:
                pass
        asked = _INPUT.bind(payload).named
        session_id = asked.get("session_id")
        if session_id is None:
            return await self._run_in(context, asked["prompt"], self.session, self.memory)
        session = Session(session_id, user_id=context.attribution.user_id)
        return await self._run_in(context, asked["prompt"], session, self.memory)

    def _register(self, name: str) -> None:
        component = Component(
            name=name,
            kind=ComponentType.AGENT,
            execute=self._execute,
            description=self.description,
            input_schema=_INPUT.input_schema,
            output_schema=_result_schema(),
            output_type=AgentResult,
            retry=ONCE,
            source=self,
            limits=self.limits,
        )
        setattr(self, MARK, component)
        REGISTRY.add(component)


def _input() -> CallableSchema:
    def agent(prompt: str, session_id: str | None = None) -> None: ...

    return schema_of(agent)


_INPUT = _input()


def _result_schema() -> dict[str, Any]:
    return AgentResult.model_json_schema(mode="serialization")


def _at_least_one(max_iterations: int) -> int:
    if max_iterations < 1:
        raise ConfigurationError(f"max_iterations is {max_iterations}; an agent needs at least one")
    return max_iterations


def _hand_off_name(agent: Agent) -> str:
    return HAND_OFF + re.sub(r"[^A-Za-z0-9_-]", "_", agent.label)


def _hand_off_spec(name: str, agent: Agent) -> ToolSpec:
    about = f"{agent.label}: {agent.description}" if agent.description else agent.label
    return ToolSpec(
        name=name,
        description=f"Hand the conversation over to {about}",
        input_schema={"type": "object", "properties": {}},
    )
