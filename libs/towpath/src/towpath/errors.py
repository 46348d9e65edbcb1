"""The exceptions of Towpath, drawn once.

TowpathError
 |- ConfigurationError        something is not set, or set to what cannot work
 |- RegistrationError         a component cannot be registered as written (also a ValueError)
 |- InvalidInputError         input that a component's types refuse (also a ValueError)
 |- NotSerialisableError      a value that JSON cannot carry (also a TypeError)
 |- ComponentError            a step, call or run failed; carries the `Failure`
 |   |- NonDeterminismError   the code did not repeat what the journal says it did
 |   |- EntityReentrancyError a method of an entity would have waited for itself
 |   |- SignalTimeoutError    no signal came in time, and there was no default
 |   |- RunStoppedError       a run was cancelled or terminated, so it has no result
 |   |- UnknownOutcomeError   an act was begun, its end was never seen, and it must not be repeated
 |   |- StepFailedError       a step of a flow failed; names the step
 |   |   `- StepTimeoutError  a step waited in vain, and its flow does not say what then
 |   `- ModelError            the model provider refused or failed
 |- NonRetryableError         raised by user code: trying again cannot help
 |- DuplicateStepError        two steps in flight have the same key
 |- ContextError              a context was asked for what it cannot do
 |- SessionError              a session was asked for what it cannot do
 |- RequestRefusedError       the platform did not take a request; carries the `Failure`
 |- UnknownRunError           there is no run of this id (also a LookupError)
 |- UnknownLetterError        there is no dead letter at this place (also a LookupError)
 |- UnknownMemoryError        there is no memory of this key within reach (also a LookupError)
 |- UnavailableError          the platform, or a part of it, does not answer
 |- StuckError                a test waits for what cannot happen any more
 `- CrashNotSurvivedError     a run that was killed in a test did not do what it does undisturbed (also an
                              AssertionError)
"""

from typing import Any

from towpath_schemas.failure import Failure


class TowpathError(Exception):
    """The root of all exceptions that Towpath raises."""


class ConfigurationError(TowpathError):
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

    def __init__(self, *, expected: str, found: str, entry: int) -> None:
        super().__init__(
            Failure(
                code="non_determinism",
                message=f"replay diverged: the journal has {expected}, the code asked for {found}; "
                "code under running workflows may only change behind ctx.patched or a new version",
            ),
        )
        self.expected, self.found, self.entry = expected, found, entry


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
    """The model provider refused or failed."""


class NonRetryableError(TowpathError):
    """Raise it in a function, tool or step to say that trying again cannot help."""


class DuplicateStepError(TowpathError, ValueError):
    """Two steps in flight have the same `key=`."""

    def __init__(self, name: str) -> None:
        super().__init__(f"step {name!r} is running with this key= already; give each step a key of its own")
        self.name = name


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


class SessionError(TowpathError):
    """A session was asked for what it cannot do: prune what is immutable, tell state that was not loaded, and the like."""


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
