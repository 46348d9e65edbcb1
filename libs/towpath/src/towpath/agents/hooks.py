"""Hooks: code that hears what an agent does, and may change it.

Callbacks run in the run's own code, so they run again where a run is replayed. `Before...` events and
`MessageAddedEvent` reach them in the order in which they were added, `After...` events in the reverse of it.
"""

import inspect
import types
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeVar, Union, cast, get_args, get_origin, runtime_checkable

from towpath.agents.interrupts import Questions
from towpath.annotations import hints_of
from towpath.errors import RegistrationError

DictMessage = dict[str, Any]
EventT = TypeVar("EventT", bound="HookEvent")
HookCallback = Callable[[Any], Any]
"""A function, sync or async, of one event."""


@dataclass
class HookEvent:
    """What callbacks are told of.

    Attributes:
        agent: The agent, or the view of it that a run has: its `messages` and `state` are the conversation's.
    """

    agent: Any

    writable: ClassVar[frozenset[str]] = frozenset()
    reversed: ClassVar[bool] = False

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self.writable and name in self.__dict__:
            raise AttributeError(f"Property {name} is not writable")
        super().__setattr__(name, value)

    def show(self, agent: Any) -> None:
        """Have the event be about `agent` for those who hear it next."""
        super().__setattr__("agent", agent)


@dataclass
class AgentInitializedEvent(HookEvent):
    """An agent was made; callbacks of it are sync."""


@dataclass
class BeforeInvocationEvent(HookEvent):
    """An invocation begins.

    Attributes:
        messages: What it adds to the conversation; may be replaced.
        answer: Set it to text, and no model is asked: it is the answer, and the stop reason `guardrail_intervened`.
    """

    invocation_state: dict[str, Any]
    messages: list[DictMessage] | None = None
    answer: str | None = None

    writable = frozenset({"messages", "answer"})


@dataclass
class AfterInvocationEvent(HookEvent):
    """An invocation has ended, well or not.

    Attributes:
        result: How; None where it failed.
        resume: A prompt to go on with, within the same call.
    """

    invocation_state: dict[str, Any]
    result: Any = None
    resume: Any = None

    writable = frozenset({"resume"})
    reversed = True


@dataclass
class MessageAddedEvent(HookEvent):
    """A message was added to the conversation."""

    message: DictMessage


@dataclass
class BeforeModelCallEvent(HookEvent):
    """The model is about to be asked.

    Attributes:
        projected_input_tokens: How many tokens it will probably read; None where nothing is known yet.
    """

    invocation_state: dict[str, Any]
    projected_input_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class ModelStopResponse:
    """What the model answered, and why it stopped."""

    message: DictMessage
    stop_reason: str


@dataclass
class AfterModelCallEvent(HookEvent):
    """The model has answered, or failed.

    Attributes:
        stop_response: The answer; may be replaced.
        retry: Set it, and the answer is dropped and the model asked again; there is no limit.
        output_tool: By which tool's arguments the model answers with an object; None where no object is wanted.
    """

    invocation_state: dict[str, Any]
    stop_response: ModelStopResponse | None = None
    exception: Exception | None = None
    retry: bool = False
    output_tool: str | None = None

    writable = frozenset({"stop_response", "retry"})
    reversed = True


@dataclass
class BeforeToolCallEvent(HookEvent):
    """A tool is about to be called.

    Attributes:
        selected_tool: Which; None where there is none of that name. May be replaced.
        tool_use: With what (`toolUseId`, `name`, `input`). May be replaced; the conversation keeps the model's own.
        questions: Where `interrupt` asks.
        cancel_tool: Set it to text or True, and the tool is not called: the model is told so.
    """

    selected_tool: Any
    tool_use: dict[str, Any]
    invocation_state: dict[str, Any]
    questions: Questions
    cancel_tool: bool | str = False

    writable = frozenset({"selected_tool", "tool_use", "cancel_tool"})

    def interrupt(self, name: str, reason: Any = None, response: Any = None) -> Any:
        """Ask a person before the tool is called.

        The agent's own conversation stops here; when it goes on, callbacks are told again, and this returns the answer.

        A run does not stop for a question. It is decided like a call of a tool that wants a yes: by the handler of
        `confirming`, or else, on the platform, by an approval named `interrupt:<name>`, which shows the tool, its
        arguments, the name and the reason. Who may decide, and for how long, is as the tool's own `Confirmation` says;
        without one, anybody, for a day. If it is approved, callbacks are told again, and this returns the comment, or
        "yes" where there is none; an approval carries no other answer. If it is rejected or expires, the tool is not
        called, and the model is told so.

        Args:
            name: What the question is called; another one for each question about a tool call.
            reason: What the person is to know; JSON. The same each time that callbacks are told of a call.
            response: The answer, where it is known already.
        """
        return self.questions.ask(self, name, reason, response)


@dataclass
class AfterToolCallEvent(HookEvent):
    """A tool call has ended, well or not.

    Attributes:
        result: What the model is told (`toolUseId`, `status`, `content`). May be replaced.
        exception: What went wrong, where something did.
        cancel_message: Why it was not called, where a hook said so.
        retry: Set it, and the tool is called again; there is no limit.
    """

    selected_tool: Any
    tool_use: dict[str, Any]
    invocation_state: dict[str, Any]
    result: dict[str, Any]
    exception: Exception | None = None
    cancel_message: str | None = None
    retry: bool = False

    writable = frozenset({"result", "retry"})
    reversed = True


@runtime_checkable
class HookProvider(Protocol):
    """Adds callbacks of its own."""

    def register_hooks(self, registry: "HookRegistry") -> None:
        """Add them."""
        ...


class HookRegistry:
    """The callbacks of one agent, or of one conversation.

    Attributes:
        staying: Those that go on hearing when the agent has handed the conversation over.
    """

    def __init__(self) -> None:
        self._callbacks: dict[type[HookEvent], list[HookCallback]] = {}
        self.staying: HookRegistry | None = None

    @classmethod
    def of(cls, *those: Any) -> "HookRegistry":
        """Make a registry of the hook providers among `those`."""
        registry = cls()
        for one in those:
            if isinstance(one, HookProvider):
                registry.add_hook(one)
        return registry

    def add_callback(
        self,
        event_type: type[HookEvent] | Sequence[type[HookEvent]] | None,
        callback: HookCallback,
        *,
        stays: bool = False,
    ) -> None:
        """Add a callback; without an event type, the hint of its first parameter says it.

        Args:
            event_type: What it is told of: one type, or several.
            callback: A function, sync or async.
            stays: Whether it goes on hearing when the agent has handed the conversation over.

        Raises:
            RegistrationError: If no event type is said, or it is none.
        """
        for one in _event_types(event_type, callback):
            if one is AgentInitializedEvent and inspect.iscoroutinefunction(callback):
                raise RegistrationError(
                    "callbacks of AgentInitializedEvent are sync: an agent is made at once"
                )
            self._callbacks.setdefault(one, []).append(callback)
        if stays:
            self.staying = self.staying or HookRegistry()
            self.staying.add_callback(event_type, callback)

    def add_hook(self, hook: Any) -> None:
        """Add a provider, or a callback whose hint says the event type.

        Raises:
            RegistrationError: If it is neither.
        """
        if isinstance(hook, HookProvider):
            hook.register_hooks(self)
        elif callable(hook):
            self.add_callback(None, hook)
        else:
            raise RegistrationError(
                f"{hook!r} is no hook; give a HookProvider, or a function with a typed event"
            )

    def __bool__(self) -> bool:
        return bool(self._callbacks)

    def hears(self, event_type: type[HookEvent]) -> bool:
        """Tell whether anybody is told of such events."""
        return event_type in self._callbacks

    def callbacks_of(self, event_type: type[HookEvent]) -> Iterable[HookCallback]:
        """Return who is told, in the order in which they are."""
        callbacks = tuple(self._callbacks.get(event_type, ()))
        return reversed(callbacks) if event_type.reversed else callbacks

    def tell_now(self, event: EventT) -> EventT:
        """Tell all callbacks, which are sync."""
        for callback in self.callbacks_of(type(event)):
            callback(event)
        return event


class Hearers:
    """Who hears what happens in an invocation: registries that are told one after the other.

    Args:
        parties: The registries, in the order in which they hear `Before...`, and each with whom it hears of: None for
            whoever speaks.
    """

    __slots__ = ("_parties",)

    def __init__(self, *parties: tuple[HookRegistry, Any]) -> None:
        self._parties = parties

    def __bool__(self) -> bool:
        return any(registry for registry, _ in self._parties)

    def hears(self, event_type: type[HookEvent]) -> bool:
        """Tell whether anybody is told of such events."""
        return any(registry.hears(event_type) for registry, _ in self._parties)

    async def tell(self, event: EventT) -> EventT:
        """Tell all callbacks, one after the other, and return the event; one in several registries is told once."""
        speaker, told = event.agent, list[HookCallback]()
        for registry, agent in reversed(self._parties) if event.reversed else self._parties:
            event.show(speaker if agent is None else agent)
            callbacks = [one for one in registry.callbacks_of(type(event)) if one not in told]
            for callback in callbacks:
                answer = callback(event)
                if inspect.isawaitable(answer):
                    await answer
            told += callbacks
        event.show(speaker)
        return event


def _event_types(given: Any, callback: HookCallback) -> Sequence[type[HookEvent]]:
    found = _hinted(callback) if given is None else given
    each = cast("Sequence[Any]", found) if isinstance(found, list | tuple) else _members(found)
    if not each:
        raise RegistrationError("the list of event types is empty; name one, or leave it out")
    for one in each:
        if not (isinstance(one, type) and issubclass(one, HookEvent)):
            raise RegistrationError(f"{one!r} is no hook event; name one such as BeforeModelCallEvent")
    return cast("Sequence[type[HookEvent]]", each)


def _members(hint: Any) -> Sequence[Any]:
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def _hinted(callback: HookCallback) -> Any:
    first = next(iter(inspect.signature(callback).parameters), None)
    hint = None if first is None else hints_of(callback).get(first)
    if hint is None:
        raise RegistrationError(
            f"{callback!r} does not say what it hears; annotate its first parameter with an event type, or name one"
        )
    return hint
