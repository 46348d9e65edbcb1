"""Tools that wait for a person's yes: who is asked, what they are shown, and what a yes is good for.

A yes is bound to the digest of the tool's name and its arguments, and is good for one call (and the attempts of that
call). In process it is held in a context variable that only this module writes. On the platform the journal holds it:
a tool-runner executes such a call only if the journal of its run has both the call's intent and a yes for it, which
nobody but the holder of the run's claim can write.
"""

from collections.abc import Awaitable, Callable, Coroutine
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from towpath.errors import ApprovalRequiredError, ConfigurationError, ContextError, InvalidInputError
from towpath.failures import component_error, failure_of
from towpath.retry import ONCE, RetryPolicy
from towpath.schema import Arguments
from towpath.tools.calls import ToolCall, ToolOutcome
from towpath.values import to_json_value
from towpath.waiting import Approval, Decision, Human
from towpath.work import call as called
from towpath_schemas.approvals import content_sha256
from towpath_schemas.failure import Failure, FailureCode

CONFIRM = "confirm:"
"""How the steps are named in which a handler is asked."""

_DAY_S = 86_400.0
_YES = frozenset({"y", "yes", "approve", "approved", "true"})


@dataclass(frozen=True, slots=True)
class Confirmation:
    """How a tool's calls are confirmed.

    Attributes:
        roles: Who may say yes: anybody with one of them; anybody at all if there are none.
        expires_s: Seconds after which an open question counts as a no; None for never.
    """

    roles: tuple[str, ...] = ()
    expires_s: float | None = _DAY_S

    def __post_init__(self) -> None:
        if self.expires_s is not None and not self.expires_s > 0:
            raise ConfigurationError(
                f"Confirmation(expires_s={self.expires_s!r}): give seconds over 0, or None"
            )

    @classmethod
    def of(cls, given: "bool | Confirmation") -> "Confirmation | None":
        """Read the `confirmation` argument of a tool."""
        return (cls() if given else None) if isinstance(given, bool) else given


@dataclass(frozen=True, slots=True)
class ProposedCall:
    """What a person is asked about: one call of one tool.

    Attributes:
        arguments: As JSON carries them.
        agent: Who wants it; None where no agent does.
        question: What a hook calls its question about the call; None where the tool itself wants a yes.
        reason: What the hook says about its question, as JSON carries it.
    """

    tool: str
    description: str
    arguments: Any
    agent: str | None
    roles: tuple[str, ...]
    question: str | None = None
    reason: Any = None

    @property
    def name(self) -> str:
        """What the approval is called, for people."""
        return f"tool:{self.tool}" if self.question is None else f"interrupt:{self.question}"

    @property
    def shown(self) -> dict[str, Any]:
        """What is decided about, as people see it."""
        call = shown(self.tool, self.arguments)
        return call if self.question is None else {**call, "question": self.question, "reason": self.reason}

    @property
    def content_sha256(self) -> str:
        """What the answer is bound to: the digest of what is shown."""
        return content_sha256(self.shown)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a handler said about a proposed call, as the run's journal keeps it."""

    content_sha256: str
    decision: Decision
    approver: str | None = None
    at: datetime | None = None
    comment: str | None = None


ConfirmationHandler = Callable[[ProposedCall], bool | Approval | Awaitable[bool | Approval]]
"""Asks somebody; sync (it runs in a thread, and may block) or async."""


class Confirmable(Protocol):
    """What has to be known of a tool to confirm a call of it."""

    @property
    def name(self) -> str:
        """What the model calls it by."""
        ...

    @property
    def description(self) -> str:
        """What it does."""
        ...

    @property
    def confirmation(self) -> Confirmation | None:
        """How its calls are confirmed, if they are."""
        ...

    def check(self, arguments: Any) -> None:
        """Hold arguments against its schema, or raise `InvalidInputError`."""
        ...

    def errand(self, arguments: Any) -> tuple[str | None, str, Any]:
        """Tell what is done when it is called: whose, which and with what."""
        ...


class Deciding(Protocol):
    """What is needed of the context of a call that is to be confirmed."""

    @property
    def idempotency_key(self) -> str:
        """What the call is known by, however often it is tried."""
        ...

    @property
    def human(self) -> Human:
        """Asks people."""
        ...

    @property
    def scope_agent(self) -> str | None:
        """The agent that the running code acts for."""
        ...

    def step(
        self, name: str, work: Any, *arguments: Any, key: str | None = None, retry: RetryPolicy | None = None
    ) -> Coroutine[Any, Any, Any]:
        """Run `work` once."""
        ...


_handler: ContextVar[ConfirmationHandler | None] = ContextVar("towpath_confirmation_handler", default=None)


class confirming:  # noqa: N801 - used like a function
    """Have `handler` asked about each call of a tool that wants confirmation, until the end of the block.

    In a run on the platform its answer is a step of the run, so replay does not ask again.
    """

    __slots__ = ("_given", "_token")

    def __init__(self, handler: ConfirmationHandler | None) -> None:
        self._given = handler

    def __enter__(self) -> None:
        self._token = _handler.set(self._given)

    def __exit__(self, *_error: object) -> None:
        _handler.reset(self._token)


async def decide(context: Deciding, tool: Confirmable, call: ToolCall) -> ToolOutcome | None:
    """Have a person decide about one call, if the tool wants that; await it in the task that makes the call.

    A yes is good for one call with these very arguments: each further one is decided anew. See `ask_person`.

    Returns:
        None if the call may be made; else the outcome that the model is told.

    Raises:
        ApprovalRequiredError: If nobody can be asked.
    """
    if tool.confirmation is None:
        return None
    try:
        tool.check(call.arguments)
    except InvalidInputError as error:
        return ToolOutcome(call_id=call.id, error=failure_of(error))
    proposed = _proposed(context, tool, tool.confirmation, to_json_value(call.arguments))
    decided = await ask_person(context, proposed, tool.confirmation.expires_s, call.id)
    if decided.approved:
        approve(proposed.content_sha256)
        return None
    return ToolOutcome(call_id=call.id, error=refusal(tool.name, decided))


async def confirmed(context: Deciding, tool: Confirmable, arguments: Any) -> None:
    """See, where a tool is about to do its work, that somebody has said yes; if nobody has, ask now.

    Raises:
        ComponentError: If the answer is no.
        ApprovalRequiredError: If nobody can be asked.
    """
    digest = _digest(tool, arguments)
    if is_approved(digest, context.idempotency_key):
        return
    refused = await decide(context, tool, ToolCall(id="", name=tool.name, arguments=arguments))
    if refused is not None and refused.error is not None:
        raise component_error(refused.error)
    is_approved(digest, context.idempotency_key)


def _proposed(
    context: Deciding, tool: Confirmable, confirmation: Confirmation, arguments: Any
) -> ProposedCall:
    _, name, shown_arguments = tool.errand(arguments)
    return ProposedCall(name, tool.description, shown_arguments, context.scope_agent, confirmation.roles)


def _digest(tool: Confirmable, arguments: Any) -> str:
    _, name, shown_arguments = tool.errand(arguments)
    return call_sha256(name, shown_arguments)


async def ask_person(
    context: Deciding, proposed: ProposedCall, expires_s: float | None, call_id: str
) -> Approval:
    """Have a person decide about what is proposed.

    Asked is the handler of `confirming`; else, on the platform, whoever decides approvals, for as long as that takes.

    Args:
        context: Of the call.
        proposed: What they are shown.
        expires_s: Seconds after which an open question on the platform counts as a no; None for never.
        call_id: The model's id of the call.

    Raises:
        ApprovalRequiredError: If nobody can be asked.
    """
    handler = _handler.get()
    if handler is not None:
        return await _answered(context, handler, proposed)
    try:
        asked = context.human.approval(proposed.name, proposed.shown, expires_s, proposed.roles)
    except ContextError as nobody:
        raise ApprovalRequiredError(proposed.tool, proposed.arguments, call_id, proposed.question) from nobody
    return await asked


async def _answered(context: Deciding, handler: ConfirmationHandler, proposed: ProposedCall) -> Approval:
    async def ask() -> Answer:
        said = _said(await called(handler, Arguments((proposed,), {})))
        return Answer(proposed.content_sha256, said.decision, said.approver, said.at, said.comment)

    answer: Answer = await context.step(f"{CONFIRM}{proposed.tool}", ask, retry=ONCE)
    return Approval(answer.decision, answer.approver, answer.at, answer.comment)


def is_yes(answer: object) -> bool:
    """Tell whether what somebody answered in words, or with True, is a yes; anything else is none."""
    return answer is True or (isinstance(answer, str) and answer.strip().lower() in _YES)


def _said(answer: object) -> Approval:
    """Read what a handler returned; what is neither a plain yes nor an approval is no yes."""
    if isinstance(answer, Approval):
        return answer
    if isinstance(answer, bool):
        return Approval("approved" if answer else "rejected")
    raise TypeError(f"a confirmation handler returns True, False or an Approval, not {answer!r}")


def refusal(tool: str, decided: Approval) -> Failure:
    """Say why a call that somebody has decided about was not made."""
    code: FailureCode = "timeout" if decided.decision == "expired" else "forbidden"
    if decided.decision == "expired":
        said = "nobody approved it in time"
    else:
        said = f"{decided.approver or 'somebody'} rejected it"
    comment = f": {decided.comment}" if decided.comment else ""
    return Failure(code=code, message=f"{tool} was not run: {said}{comment}")


# --- What a yes is good for -----------------------------------------------------------------------------


def shown(tool: str, arguments: Any) -> dict[str, Any]:
    """Write what is decided about, as people see it."""
    return {"tool": tool, "arguments": arguments}


def call_sha256(tool: str, arguments: Any) -> str:
    """Digest what is decided about: a tool's name and its arguments, which are JSON."""
    return content_sha256(shown(tool, arguments))


@dataclass(slots=True)
class _Yes:
    """A yes, and the call that it was used for."""

    content_sha256: str
    used_for: str | None = None


_yes: ContextVar[_Yes | None] = ContextVar("towpath_confirmation_yes", default=None)


def approve(digest: str) -> None:
    """Let the running task make one call of this digest; for those who have seen somebody's yes."""
    _yes.set(_Yes(digest))


def is_approved(digest: str, call_key: str) -> bool:
    """Tell whether the call `call_key` may be made: a yes of its digest is at hand, and no other call has used it."""
    yes = _yes.get()
    if yes is None or yes.content_sha256 != digest or yes.used_for not in {None, call_key}:
        return False
    yes.used_for = call_key
    return True


async def ask_at_terminal(proposed: ProposedCall) -> bool:
    """Ask at the terminal; a handler for `confirming`."""
    asked = f"{proposed.question}: {proposed.reason}\n" if proposed.question is not None else ""
    question = f"{proposed.tool} {proposed.arguments}\n{asked}Run it? [y/N] "
    return is_yes(await called(input, Arguments((question,), {})))
