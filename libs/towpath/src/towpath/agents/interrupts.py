"""Interrupts: a conversation that stops at a question to a person, and goes on when it is answered."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Protocol, cast
from uuid import NAMESPACE_OID, uuid5

from towpath.errors import InterruptError

RESPONSE = "interruptResponse"


@dataclass(slots=True)
class Interrupt:
    """A question that the conversation waits for.

    Attributes:
        id: What an answer names it by; the same question at the same place has the same id in every process.
        name: What the code that asks calls it.
        reason: What is to be known about it; JSON.
        response: The answer; None while there is none.
        expires_at: Until when it can be answered (ISO 8601, UTC); None for as long as that takes.
    """

    id: str
    name: str
    reason: Any = None
    response: Any = None
    expires_at: str | None = None

    def has_expired(self, now: datetime) -> bool:
        """Tell whether it is too late for an answer, or to use one."""
        return self.expires_at is not None and now >= datetime.fromisoformat(self.expires_at)

    def to_dict(self) -> dict[str, Any]:
        """Write it as JSON."""
        return asdict(self)


class Questions(Protocol):
    """Where the questions go that hooks ask about a tool call."""

    def ask(self, event: Any, name: str, reason: Any, response: Any) -> Any:
        """Return the answer to a question that a hook asks about the call that `event` tells of.

        Raises:
            InterruptError: If there is none yet.
        """
        ...


@dataclass(slots=True)
class InterruptState:
    """What a conversation that was interrupted keeps until it goes on.

    Attributes:
        interrupts: The questions, by id.
        activated: Whether it waits for answers.
        context: Tool results of the interrupted turn that are there already, by the id of the tool use.
        handoffs: Whom the conversation was handed to, one by the other, by name: the last one goes on with the answers.
        paused: What agents that were asked as tools, and that wait too, go on with; by the id of the tool use.
        output: The object that the model was to answer with, where it did in the interrupted turn: `StructuredOutput.given`.
    """

    interrupts: dict[str, Interrupt] = field(default_factory=dict[str, Interrupt])
    activated: bool = False
    context: dict[str, Any] = field(default_factory=dict[str, Any])
    handoffs: list[str] = field(default_factory=list[str])
    paused: dict[str, Any] = field(default_factory=dict[str, Any])
    output: dict[str, Any] = field(default_factory=dict[str, Any])

    def ask(self, event: Any, name: str, reason: Any, response: Any) -> Any:
        """Return the answer to a question; see `Questions`."""
        interrupt = self.question(event.tool_use["toolUseId"], name, reason, response)
        if interrupt.response is None:
            raise InterruptError(interrupt)
        return interrupt.response

    def question(
        self, asked: str, name: str, reason: Any, response: Any = None, expires_at: datetime | None = None
    ) -> Interrupt:
        """Return a question of the tool use `asked`: as it was asked first, with its answer if there is one."""
        number = f"v1:before_tool_call:{asked}:{uuid5(NAMESPACE_OID, name)}"
        until = None if expires_at is None else expires_at.isoformat()
        return self.interrupts.setdefault(number, Interrupt(number, name, reason, response, until))

    @property
    def pending(self) -> list[Interrupt]:
        """The questions that nobody has answered."""
        return [one for one in self.interrupts.values() if one.response is None]

    def stop(self, results: dict[str, Any], output: dict[str, Any]) -> None:
        """Keep what there is of a turn that waits for an answer; see `context` and `output`."""
        self.context, self.output, self.activated = results, output, True

    def resume(self, prompt: Any) -> None:
        """Take in answers, all or none; where none is missing any more, as after a crash, there may be no prompt.

        Raises:
            TypeError: If the prompt is anything but a list of `{"interruptResponse": {...}}`.
            KeyError: If an answer names a question that was not asked.
        """
        if prompt is None and not self.pending:
            return
        responses = _responses(prompt, self.pending)
        for number in responses:
            if number not in self.interrupts:
                raise KeyError(f"no interrupt {number!r} was raised; there is {[*self.interrupts]}")
        for number, response in responses.items():
            self.interrupts[number].response = response

    def clear(self) -> None:
        """Forget everything: the turn has gone on."""
        self.interrupts, self.context, self.activated = {}, {}, False
        self.handoffs, self.paused, self.output = [], {}, {}

    def to_dict(self) -> dict[str, Any]:
        """Write it as JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, written: Mapping[str, Any]) -> "InterruptState":
        """Read it from what `to_dict` wrote."""
        interrupts = {key: Interrupt(**one) for key, one in written["interrupts"].items()}
        return cls(
            interrupts,
            written["activated"],
            dict(written["context"]),
            list(written.get("handoffs", ())),
            dict(written.get("paused", {})),
            dict(written.get("output", {})),
        )


def _responses(prompt: Any, pending: Sequence[Interrupt]) -> dict[str, Any]:
    """Read the responses in a prompt, by the ids of their interrupts."""
    blocks = cast("Sequence[Any]", prompt) if isinstance(prompt, list | tuple) else ()
    if not blocks or not all(map(_is_answer, blocks)):
        there = "" if pending else ", or no prompt, since it has all"
        raise TypeError(
            "the conversation waits for answers; give it a list of "
            f'{{"interruptResponse": {{"interruptId": ..., "response": ...}}}}{there}'
        )
    return {block[RESPONSE]["interruptId"]: block[RESPONSE]["response"] for block in blocks}


def _is_answer(block: Any) -> bool:
    match block:
        case {"interruptResponse": {"interruptId": str(), "response": _}}:
            return True
        case _:
            return False
