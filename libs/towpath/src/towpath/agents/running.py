"""Runs of an agent: each has a conversation of its own, any number may be under way."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from towpath.agents.bounds import MAX_ITERATIONS, bounds_of_run
from towpath.agents.callbacks import telling
from towpath.agents.content import DictMessage, copied
from towpath.agents.conversation import Conversation
from towpath.agents.conversing import Asked, run_asked
from towpath.agents.events import Event, Listener
from towpath.agents.hooks import HookRegistry
from towpath.agents.meters import Meter
from towpath.agents.planning import Plan, with_plan
from towpath.agents.prompts import Prompt
from towpath.agents.run import AgentRun
from towpath.agents.state import AgentState
from towpath.agents.streaming import EventStream
from towpath.agents.talking import Talking
from towpath.coordination import ChildHandle
from towpath.current import context_or_none
from towpath.errors import ConfigurationError
from towpath.memory.memory import Memory
from towpath.sessions.session import Session


class Running(Talking):
    """An agent as something to run."""

    name: str | None
    session: Session | None
    _run_handler: Callable[..., Any] | None
    _given: Sequence[DictMessage]

    def run(
        self,
        prompt: Prompt = None,
        *,
        session: Session | None = None,
        memory: Memory | None = None,
        invocation_state: dict[str, Any] | None = None,
        structured_output_model: type[BaseModel] | None = None,
        structured_output_prompt: str | None = None,
        plan: Plan | None = None,
        limits: Sequence[Meter | Mapping[str, int]] | Meter | Mapping[str, int] | None = None,
    ) -> AgentRun:
        """Return a run of this agent on `prompt`; it begins when it is awaited or listened to.

        Each run has a conversation of its own, so any number may be under way. Awaited in a component it
        is as durable as the component is; elsewhere it runs in this process.

        Args:
            prompt: What the agent is told.
            session: The session in which it speaks, in place of the agent's: the run knows what was said in it
                before, and when it ends, all of its own turn is appended at once.
            memory: What the run is reminded of, in place of the agent's: what is most like the prompt, of the
                session's user and of the run's.
            invocation_state: What hooks and tools may know and write; this very dict.
            structured_output_model: The pydantic model of the answer.
            structured_output_prompt: What the model is told if it answers with text instead.
            plan: What the model is told to follow; a call of a tool that it does not name is logged.
            limits: What it may spend beside what the agent may; `{"turns": n}` in place of the agent's `max_iterations`.

        Raises:
            ConfigurationError: If the agent has a session manager, which keeps its own conversation only, and no
                session is named; or a limit cannot be one of a run.
        """
        if self.session_manager is not None and session is None:
            raise ConfigurationError(
                f"{self.label}: its session_manager keeps the conversation of {self.label}(...) and invoke_async, and "
                "a run has one of its own; name the session it speaks in: run(..., session=Session(...))"
            )
        asked = self._asked(
            prompt if plan is None else with_plan(prompt, plan),
            invocation_state,
            structured_output_model,
            structured_output_prompt,
            session=session or self.session,
            memory=memory,
            turns=MAX_ITERATIONS,
            plan=plan,
        )
        bounds = bounds_of_run(limits)
        asked.meters, asked.turns = bounds.meters, bounds.turns or asked.turns
        return AgentRun(lambda run, listener: run_asked(self, run, asked, self._heard(asked, listener)))

    def stream(self, prompt: Prompt = None, **asked: Any) -> EventStream[Event]:
        """Run this agent on `prompt`, and tell what happens as it does; takes what `run` takes."""
        return self.run(prompt, **asked).events()

    def start(self, prompt: Prompt = None, **asked: Any) -> AgentRun | ChildHandle:
        """Run this agent on `prompt` beside what the caller does, and return at once.

        In a script it is a run that has begun, in a task of the caller's loop; it takes what `run` takes. In a component
        it is a run of its own on the platform, which outlives the caller's: await its `result()`, or leave it. That takes a
        prompt that JSON can carry, and a session.

        Raises:
            ConfigurationError: If a run of its own is to be started, and the agent has no name.
            ContextError: In a script that is not async.
        """
        context = context_or_none()
        if context is None:
            return self.run(prompt, **asked).begin()
        if self.name is None:
            raise ConfigurationError(
                "an agent without a name cannot be started as a run of its own; give it one"
            )
        session: Session | None = asked.pop("session", None)
        if asked:
            raise ConfigurationError(f"{self.label}.start in a component takes no {', '.join(asked)}")
        if session is None:
            return context.spawn(self.name, prompt=prompt)
        return context.spawn(self.name, prompt=prompt, **_said_of(session))

    def own_conversation(self, past: Sequence[DictMessage] = ()) -> Conversation:
        """Make the conversation of a run: it begins with the agent's messages, and `past`."""
        messages = [*copied(self._given), *past]
        manager = self.conversation_manager.for_run()
        keepers = HookRegistry.of(manager)
        return Conversation(messages, AgentState(self.state.get()), manager, keepers=keepers)

    def _heard(self, asked: Asked, listener: Listener | None) -> Listener | None:
        return telling(self._run_handler, asked.invocation_state, listener)


def _said_of(session: Session) -> dict[str, Any]:
    """Say which session it is, and whose, to a run that has only its name."""
    said = {"session_id": session.id, "user_id": session.user_id, "app_name": session.app_name}
    return {name: value for name, value in said.items() if value is not None}
