"""Questions of hooks where nothing can be paused: a person decides each, as they do about a tool that wants a yes."""

from typing import Any

from towpath.agents.interrupts import Interrupt
from towpath.context import Context
from towpath.errors import ContextError, InterruptError
from towpath.tools.confirmation import Confirmation, ProposedCall, ask_person, refusal
from towpath.values import to_json_value

YES = "yes"
"""The answer of somebody who approves without a comment."""


class Answers:
    """What people have answered to hooks' questions about one tool call; one of `Questions`.

    An answer is bound to the tool, its arguments, and the name and reason of the question.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._given: dict[str, tuple[str, str]] = {}

    def ask(self, event: Any, name: str, reason: Any, response: Any) -> Any:
        """Return the answer to a question; see `Questions`.

        Raises:
            ContextError: If it was answered about another call, or for another reason.
        """
        if response is not None:
            return response
        digest = self._proposed(event, name, reason).content_sha256
        if name not in self._given:
            raise InterruptError(Interrupt(digest, name, reason))
        about, answer = self._given[name]
        if about != digest:
            raise ContextError(
                f"interrupt {name!r}: the answer is about other arguments or another reason than this time; ask the "
                "same each time that the hook is told of a call"
            )
        return answer

    async def refusal_of(self, event: Any, interrupt: Interrupt) -> str | None:
        """Have a person answer a question; if they refuse the call, return what the model is told.

        Raises:
            ApprovalRequiredError: If nobody can be asked.
        """
        proposed = self._proposed(event, interrupt.name, interrupt.reason)
        expires_s = _confirmation(event.selected_tool).expires_s
        decided = await ask_person(self._context, proposed, expires_s, event.tool_use["toolUseId"])
        if not decided.approved:
            return refusal(proposed.tool, decided).message
        self._given[interrupt.name] = interrupt.id, decided.comment or YES
        return None

    def _proposed(self, event: Any, name: str, reason: Any) -> ProposedCall:
        tool, use = event.selected_tool, event.tool_use
        return ProposedCall(
            use["name"] if tool is None else tool.name,
            "" if tool is None else tool.description,
            to_json_value(use["input"]),
            self._context.scope_agent,
            _confirmation(tool).roles,
            name,
            to_json_value(reason),
        )


def _confirmation(tool: Any) -> Confirmation:
    """Tell who may answer, and how long: as about the tool's own confirmation, where it wants one."""
    return (None if tool is None else tool.confirmation) or Confirmation()
