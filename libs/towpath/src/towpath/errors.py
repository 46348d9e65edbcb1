"""The exceptions of Towpath, drawn once.

TowpathError
 |- ConfigurationError        something is not set, or set to what cannot work (also a ValueError)
 |- RegistrationError         a component cannot be registered as written (also a ValueError)
 |- InvalidInputError         input that a component's types refuse (also a ValueError)
 |- NotSerialisableError      a value that JSON cannot carry (also a TypeError)
 |- ComponentError            a step, call or run failed; carries the `Failure`
 |   |- NonDeterminismError   the code did not repeat what the journal says it did
 |   |- GivenUpError          a call could not be handled, and is kept as a dead letter
 |   |- EntityReentrancyError a method of an entity would have waited for itself
 |   |- SignalTimeoutError    no signal came in time, and there was no default
 |   |- RunStoppedError       a run was cancelled or terminated, so it has no result
 |   |- UnknownOutcomeError   an act was begun, its end was never seen, and it must not be repeated
 |   |- StepFailedError       a step of a flow failed; names the step
 |   |   `- StepTimeoutError  a step waited in vain, and its flow does not say what then
 |   `- ModelError            the model provider refused or failed
 |       |- ModelAuthError        it does not know the key, or does not let it do this
 |       |- ModelQuotaError       nothing is left of what may be spent there
 |       |- ModelThrottledError   it is asked too often
 |       |- ModelTimeoutError     it did not answer in time
 |       |- ContextOverflowError  the conversation is longer than the model reads
 |       `- ContentFilteredError  its filter refused the conversation
 |- NonRetryableError         raised by user code: trying again cannot help
 |- DuplicateStepError        two steps in flight have the same key
 |- CompensationError         not all that a saga had done could be undone
 |- ContextError              a context was asked for what it cannot do
 |- ApprovalRequiredError     a tool wants a person's yes, or a hook an answer, and nobody can be asked here
 |- ConcurrencyError          a conversation is under way with an agent that has one at a time
 |- MaxTokensError            the model's answer was cut off at its token limit
 |- StructuredOutputError     the model did not answer with the object that was asked for
 |- BudgetExhaustedError      what a run may spend is spent; ends it as a result of its own
 |- InterruptError            a hook asked a question that nobody has answered yet
 |- SessionError              a session was asked for what it cannot do
 |- SnapshotError             a snapshot cannot be taken or loaded as asked
 |- RequestRefusedError       the platform did not take a request; carries the `Failure`
 |- UnknownRunError           there is no run of this id (also a LookupError)
 |- UnknownLetterError        there is no dead letter at this place (also a LookupError)
 |- UnknownMemoryError        there is no memory of this key within reach (also a LookupError)
 |- UnavailableError          the platform, or a part of it, does not answer
 |- SandboxUnavailableError   a limit of a sandbox cannot be enforced here, so nothing was run
 |- StuckError                a test waits for what cannot happen any more
 `- CrashNotSurvivedError     a run that was killed in a test did not do what it does undisturbed (also an
                              AssertionError)
"""

from collections.abc import Mapping
from typing import Any

from towpath_schemas.failure import Failure


class TowpathError(Exception):
    """The root of all exceptions that Towpath raises."""


class ConfigurationError(TowpathError, ValueError):
    """Something is not set, or set to a value that cannot work; the message names it."""


class RegistrationError(TowpathError, ValueError):
    """A component cannot be registered as it is written."""


class InvalidInputError(TowpathError, ValueError):
    """A component's own types refuse the input; the message names the path of each bad field."""


class NotSerialisableError(TowpathError, TypeError):
    """A value that JSON cannot carry was to be journaled or sent; the message names its type and path."""


class ComponentError(TowpathError):
    """A step, a call or a run failed.

    Attributes:
        failure: The reason, as it is journaled.
    """

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class NonDeterminismError(ComponentError):
    """The code did not repeat what the journal says it did.

    Attributes:
        expected: What the journal has.
        found: What the code asked for.
        entry: Number of the journal's entry that it did not repeat.
    """

    def __init__(self, *, expected: str, found: str, entry: int, message: str | None = None) -> None:
        diverged = (
            f"replay diverged: the journal has {expected}, the code asked for {found}; "
            "code under running workflows may only change behind ctx.patched or a new version"
        )
        super().__init__(Failure(code="non_determinism", message=message or diverged))
        self.expected, self.found, self.entry = expected, found, entry


class GivenUpError(ComponentError):
    """A call could not be handled; the message says why, and names its dead letter and how to have it done after all."""


class EntityReentrancyError(ComponentError):
    """A write method of an entity was called by what it waits for; the message names who waits for whom."""


class SignalTimeoutError(ComponentError):
    """No signal came in time, and the wait had no default."""


class RunStoppedError(ComponentError):
    """A run was cancelled or terminated, so it has no result; the failure's code says which."""


class UnknownOutcomeError(ComponentError):
    """An act was begun, its end was never seen, and it is declared not to be repeatable."""

    def __init__(self, act: str) -> None:
        super().__init__(
            Failure(
                code="unknown_outcome",
                message=f"{act} was begun and its end was never seen; it is not idempotent, so it was not repeated",
            ),
        )


class StepFailedError(ComponentError):
    """A step of a flow failed, and with it the run; the failure's code is that of the step's own failure.

    Attributes:
        step: The step's name.
    """

    def __init__(self, step: str, failure: Failure) -> None:
        message = f"step {step!r} failed: {failure.message}"
        super().__init__(failure.model_copy(update={"message": message}))
        self.step = step


class StepTimeoutError(StepFailedError):
    """A step of a flow waited in vain, and has no `on_timeout` that says what to do then."""


class ModelError(ComponentError):
    """The model provider refused or failed; which of the errors below it is follows from the failure's code."""


class ModelAuthError(ModelError):
    """The model provider does not know the key, or does not let it do this."""


class ModelQuotaError(ModelError):
    """Nothing is left of what may be spent at the model provider."""


class ModelThrottledError(ModelError):
    """The model provider is asked too often; the failure's `retry_after_s` says how long it wants to be left alone."""


class ModelTimeoutError(ModelError):
    """The model did not answer in time."""


class ContextOverflowError(ModelError):
    """The conversation is longer than the model reads."""


class ContentFilteredError(ModelError):
    """The model provider's filter refused the conversation."""


class NonRetryableError(TowpathError):
    """Raise it in a function, tool or step to say that trying again cannot help."""


class DuplicateStepError(TowpathError, ValueError):
    """Two steps in flight have the same `key=`."""

    def __init__(self, name: str) -> None:
        super().__init__(f"step {name!r} is running with this key= already; give each step a key of its own")
        self.name = name


class CompensationError(TowpathError):
    """Not all that a saga had done could be undone; the rest is for somebody to look at.

    Attributes:
        reason: Why it was to be undone; None where the code asked for it.
        failures: By its name, how each compensation failed that did.
        missing: What was not undone, and why, for people.
    """

    def __init__(self, reason: BaseException | None, failures: Mapping[str, Exception]) -> None:
        self.missing = "not undone: " + ", ".join(
            f"{name!r} ({_words(why)})" for name, why in failures.items()
        )
        super().__init__(self.missing if reason is None else f"{_words(reason)}; {self.missing}")
        self.reason = reason
        self.failures = failures


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__


class ContinuedAsNewError(BaseException):
    """Ends the code of a run that goes on as a new one; no `except Exception` may keep it from that.

    Attributes:
        input: What the new run is given, as JSON carries it.
    """

    def __init__(self, input: Any) -> None:  # noqa: A002 - as in `ctx.continue_as_new`
        super().__init__("the run goes on as a new one")
        self.input = input


class ContextError(TowpathError):
    """A context was asked for what it cannot do, such as a write in a shared entity method."""


class ApprovalRequiredError(TowpathError):
    """A person has to be asked before a tool runs, and nobody can be here; nothing was run.

    Attributes:
        tool: The tool's name.
        arguments: What it was to be called with.
        call_id: The model's id of the call; empty where no model asked for it.
        question: What a hook calls its question about the call; None where the tool itself wants a yes.
    """

    def __init__(self, tool: str, arguments: Any, call_id: str = "", question: str | None = None) -> None:
        wants = "wants a person's yes"
        if question is not None:
            wants = f"is to be called after a person's answer to {question!r}"
        super().__init__(
            f"tool {tool!r} {wants}, and nobody can be asked here; give a handler with "
            "`with confirming(handler): ...`, or run it on the platform, where it waits for an approval"
        )
        self.tool, self.arguments, self.call_id, self.question = tool, arguments, call_id, question


class ConcurrencyError(TowpathError):
    """A conversation is under way with an agent that has one at a time."""

    def __init__(self, agent: str) -> None:
        super().__init__(
            f"{agent} is in a conversation; wait until it ends, use agent.run() for runs of their own, or give "
            'concurrent_invocation_mode="queue"'
        )
        self.agent = agent


class MaxTokensError(TowpathError):
    """The model's answer was cut off at its token limit."""

    def __init__(self, agent: str) -> None:
        super().__init__(f"the model of {agent} stopped at its token limit; allow it more, or ask for less")
        self.agent = agent


class StructuredOutputError(TowpathError):
    """The model did not answer with the object that was asked for, however often it was told."""


class BudgetExhaustedError(TowpathError):
    """What a run may spend is spent; a meter raises it, and the run ends with the status `budget`."""


class InterruptError(TowpathError):
    """A hook asked a question that nobody has answered yet: the tool call ends here until somebody does.

    Attributes:
        interrupt: The question.
    """

    def __init__(self, interrupt: Any) -> None:
        super().__init__(f"{interrupt.name!r} is not answered yet")
        self.interrupt = interrupt


class SessionError(TowpathError):
    """A session was asked for what it cannot do: prune what is immutable, tell state that was not loaded, and the like."""


class SnapshotError(TowpathError):
    """A snapshot cannot be taken or loaded as asked; the message names the field or the version."""


class RequestRefusedError(TowpathError):
    """The platform did not take a request.

    Attributes:
        failure: Why.
    """

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class UnknownRunError(TowpathError, LookupError):
    """There is no run of this id."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"there is no run {run_id!r}")
        self.run_id = run_id


class UnknownLetterError(TowpathError, LookupError):
    """There is no dead letter at this place."""

    def __init__(self, place: int) -> None:
        super().__init__(f"there is no dead letter {place}; `towpath dead list` shows those there are")
        self.place = place


class UnknownMemoryError(TowpathError, LookupError):
    """There is no memory of this key within reach."""

    def __init__(self, key: str) -> None:
        super().__init__(f"there is no memory {key!r} to update; store() makes one")
        self.key = key


class UnavailableError(TowpathError):
    """The platform, or a part of it, does not answer; the message names the part."""


class SandboxUnavailableError(TowpathError):
    """A limit of a sandbox cannot be enforced here, so nothing was run."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"code cannot be kept apart here ({why}); run as root with CAP_SYS_ADMIN, allow user namespaces "
            "(sysctl user.max_user_namespaces), or give another Sandbox"
        )


class StuckError(TowpathError):
    """A test waits for something, and nothing can happen any more; the message says what everything waits for."""


class CrashNotSurvivedError(TowpathError, AssertionError):
    """A run whose process was killed at some moment did not do what it does undisturbed.

    Attributes:
        crash: The moment.
    """

    def __init__(self, crash: str, found: str) -> None:
        super().__init__(f"killed {crash}: {found}")
        self.crash = crash
