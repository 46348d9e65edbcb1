"""The conversation that an agent has by itself: it grows from call to call, and there is one call at a time."""

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel

from towpath.agents.bridge import run_sync
from towpath.agents.callbacks import as_dicts, telling
from towpath.agents.cancellation import Cancellation
from towpath.agents.conversing import Asked, refuse_durable, speak
from towpath.agents.event_dicts import EventDict
from towpath.agents.events import Listener
from towpath.agents.exclusivity import Holder
from towpath.agents.facilities import Facilities
from towpath.agents.planning import Plan
from towpath.agents.prompts import Prompt
from towpath.agents.result import AgentResult
from towpath.agents.streaming import EventStream
from towpath.agents.structured_output import output_of
from towpath.memory.memory import Memory
from towpath.sessions.session import Session


class Talking(Facilities):
    """An agent as somebody to talk with."""

    callback_handler: Callable[..., Any] | None
    structured_output_model: type[BaseModel] | None
    structured_output_prompt: str | None
    memory: Memory | None
    max_turns: int | None
    under_way: set[Cancellation]

    def __call__(
        self,
        prompt: Prompt = None,
        *,
        invocation_state: dict[str, Any] | None = None,
        structured_output_model: type[BaseModel] | None = None,
        structured_output_prompt: str | None = None,
    ) -> AgentResult:
        """Go on with the conversation, from sync code; works inside a running loop as well, which it holds up.

        Args:
            prompt: What the agent is told; None to go on with what was said.
            invocation_state: What hooks and tools may know and write; this very dict.
            structured_output_model: The pydantic model of the answer; a call that answers questions says it again.
            structured_output_prompt: What the model is told if it answers with text instead.

        Raises:
            ConcurrencyError: If a conversation is under way, and the mode is `throw`.
            ContextError: In async code of a run on the platform; in sync code of one, unless it made the agent itself.
            ModelError: If the provider refused or failed.
        """
        asked = self._asked(prompt, invocation_state, structured_output_model, structured_output_prompt)
        return run_sync(self.converse(asked), "agent.run(...)")

    async def invoke_async(
        self,
        prompt: Prompt = None,
        *,
        invocation_state: dict[str, Any] | None = None,
        structured_output_model: type[BaseModel] | None = None,
        structured_output_prompt: str | None = None,
    ) -> AgentResult:
        """Go on with the conversation; see `__call__`."""
        refuse_durable()
        asked = self._asked(prompt, invocation_state, structured_output_model, structured_output_prompt)
        return await self.converse(asked)

    def stream_async(
        self,
        prompt: Prompt = None,
        *,
        invocation_state: dict[str, Any] | None = None,
        structured_output_model: type[BaseModel] | None = None,
        structured_output_prompt: str | None = None,
    ) -> EventStream[EventDict]:
        """Go on with the conversation, and tell what happens as dicts; the last one has the `result`.

        Whoever leaves early closes the stream (`aclose`); a stream that was left open is closed when nobody holds it
        any more, or when the same task speaks with the agent again. See `__call__`.
        """
        refuse_durable()
        asked = self._asked(prompt, invocation_state, structured_output_model, structured_output_prompt)
        return EventStream(
            lambda listener, holder: self.converse(asked, listener, holder), as_dicts(asked.invocation_state)
        )

    def cancel(self) -> None:
        """Stop the conversation, and the runs of this process: what models are saying is kept, tools are waited for.

        Any thread may ask. Where nothing is under way, the next call of the conversation is stopped.
        """
        for cancellation in tuple(self.under_way) or (self.conversation.cancellation,):
            cancellation.request()

    async def converse(
        self, asked: Asked, listener: Listener | None = None, holder: Holder | None = None
    ) -> AgentResult:
        """Go on with the conversation, once it is the caller's turn.

        Raises:
            ConcurrencyError: If another speaks, and the mode is `throw`.
        """
        holder = holder or Holder()
        await self.exclusive.take(holder)
        try:
            told = telling(self.callback_handler, asked.invocation_state, listener)
            return await speak(self, self.conversation, asked, told)
        finally:
            self.exclusive.release(holder)

    def _asked(
        self,
        prompt: Prompt,
        invocation_state: dict[str, Any] | None,
        kind: type[BaseModel] | None,
        instead: str | None,
        *,
        session: Session | None = None,
        memory: Memory | None = None,
        turns: int | None = None,
        plan: Plan | None = None,
    ) -> Asked:
        output = output_of(kind or self.structured_output_model, instead or self.structured_output_prompt)
        state = {} if invocation_state is None else invocation_state
        return Asked(prompt, state, output, session, memory or self.memory, self.max_turns or turns, plan)
