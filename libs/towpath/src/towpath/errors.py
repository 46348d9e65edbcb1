"""The exceptions of Towpath, drawn once.

TowpathError
 |- ConfigurationError        something is not set, or set to what cannot work
 |- RegistrationError         a component cannot be registered as written (also a ValueError)
 |- InvalidInputError         input that a component's types refuse (also a ValueError)
 |- NotSerialisableError      a value that JSON cannot carry (also a TypeError)
 |- ComponentError            a step, call or run failed; carries the `Failure`
 |   |- NonDeterminismError   the code did not repeat what the journal says it did
 |   |- UnknownOutcomeError   an act was begun, its end was never seen, and it must not be repeated
 |   `- ModelError            the model provider refused or failed
 |- NonRetryableError         raised by user code: trying again cannot help
 |- DuplicateStepError        two steps in flight share a name and have no key
 |- ContextError              a context was asked for what it cannot do
 |- RequestRefusedError       the platform did not take a request; carries the `Failure`
 |- UnknownRunError           there is no run of this id (also a LookupError)
 `- UnavailableError          the platform, or a part of it, does not answer
"""

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
    """The code did not repeat what the journal says it did."""

    def __init__(self, *, expected: str, found: str) -> None:
        super().__init__(
            Failure(
                code="non_determinism",
                message=f"replay diverged: the journal has {expected}, the code asked for {found}; "
                "code under running workflows may only change behind ctx.patched or a new version",
            ),
        )
        self.expected, self.found = expected, found


class UnknownOutcomeError(ComponentError):
    """An act was begun, its end was never seen, and it is declared not to be repeatable."""

    def __init__(self, act: str) -> None:
        super().__init__(
            Failure(
                code="unknown_outcome",
                message=f"{act} was begun and its end was never seen; it is not idempotent, so it was not repeated",
            ),
        )


class ModelError(ComponentError):
    """The model provider refused or failed."""


class NonRetryableError(TowpathError):
    """Raise it in a function, tool or step to say that trying again cannot help."""


class DuplicateStepError(TowpathError, ValueError):
    """Two steps in flight have the same name; give each a `key=`."""

    def __init__(self, name: str) -> None:
        super().__init__(f"a step {name!r} is already running in this run; give concurrent steps a key=")
        self.name = name


class ContextError(TowpathError):
    """A context was asked for what it cannot do, such as a write in a shared entity method."""


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


class UnavailableError(TowpathError):
    """The platform, or a part of it, does not answer; the message names the part."""
