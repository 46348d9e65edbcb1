"""An agent's own conversation in a `Session`: each turn is appended as a whole, and what others said is taken in."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from towpath.agents.binary import decoded, encoded
from towpath.agents.content import DictMessage, copied, dict_messages, port_messages
from towpath.agents.conversation import Conversation
from towpath.agents.interrupts import InterruptState
from towpath.agents.invocation import Invocation
from towpath.agents.session_managers.repair import repaired
from towpath.sessions.session import Session
from towpath.sessions.view import View

T = TypeVar("T")


class InSession:
    """Keeps one agent's own conversation in a session.

    A turn that failed is not kept, and so is forgotten by the next one. State and open questions of the agent are
    state of the session, under the name `agent:<agent_id>`.

    Args:
        session: Where it is kept.
        agent_id: Whose it is.
        given: The messages that the conversation begins with, before those of the session.
    """

    def __init__(self, session: Session, agent_id: str, given: Sequence[DictMessage]) -> None:
        self.session = session
        self._name = f"agent:{agent_id}"
        self._given = copied([*given])
        self._view: View | None = None
        self._kept: Any = None
        self._first_state: Any = None

    async def turn(self, invocation: Invocation, take: Callable[[], Awaitable[T]]) -> T:
        """Take a turn: after what is kept was taken in, and before it is kept itself."""
        await self.session.flush()
        head = await self.session.head()
        with invocation.context.in_session(self.session.scope(head)):
            await self._restore(invocation.conversation, head.view)
            try:
                taken = await take()
                await self._keep(invocation)
            except BaseException:
                self._view = None
                raise
        return taken

    async def _restore(self, conversation: Conversation, view: View) -> None:
        """Take in what is kept, where that is not what the conversation holds."""
        if view == self._view:
            return
        if self._view is None:
            await self._restore_state(conversation)
        past = dict_messages((await self.session.opened()).messages)
        conversation.shown()[:] = [*copied(self._given), *repaired(past)]
        self._view = view

    async def _keep(self, invocation: Invocation) -> None:
        """Append what was said, and keep what has changed beside it, in one commit."""
        conversation = invocation.conversation
        kept = {"state": conversation.state.get(), "interrupts": encoded(conversation.interrupts.to_dict())}
        changed = {self._name: kept} if kept != self._kept else {}
        told = [one for message in invocation.added for one in port_messages(message)]
        appended = await self.session.append_with(changed, told, {"agent": invocation.agent.label})
        self._kept = kept
        if self._view is not None and appended:
            self._view = self._view.with_new(appended[0].number, len(appended))

    async def _restore_state(self, conversation: Conversation) -> None:
        """Take in what is kept beside what was said; where nothing is yet, what the agent was made with."""
        await self.session.load()
        self._kept = self.session.get_state(self._name)
        if self._first_state is None:
            self._first_state = conversation.state.get()
        if self._kept is None:
            conversation.state.replace(self._first_state)
            conversation.interrupts = InterruptState()
        else:
            conversation.state.replace(self._kept["state"])
            conversation.interrupts = InterruptState.from_dict(decoded(self._kept["interrupts"]))
