"""What went wrong, as data: the one shape in which a failure crosses a process boundary."""

from typing import Annotated, Literal

from pydantic import Field

from towpath_schemas.shape import Shape

FailureCode = Literal[
    "malformed",  # the body is not JSON, or not of the event's shape
    "unknown_component",  # nobody registered a component of this name
    "unknown_run",  # there is no run of this id, or not for this tenant
    "run_active",  # the run has not ended, so it cannot be forgotten
    "run_ended",  # the run has ended, so nothing can be asked of it
    "unknown_schedule",  # there is no schedule of this name, or not of this tenant
    "declared_schedule",  # the schedule is declared by code, so a request cannot replace or delete it
    "run_purged",  # a run of this id was forgotten lately, so its id cannot be used again yet
    "unknown_letter",  # there is no dead letter at this place, or not of this tenant
    "not_redrivable",  # the dead letter is about a message that cannot be published again
    "forbidden",  # whoever asks lacks the role it takes
    "stale_approval",  # decided already, expired, or about something other than what was shown
    "unknown_verb",  # the subject asks for something the router does not do
    "forged_attribution",  # the event claims a tenant other than its subject's
    "payload_too_large",  # over the limit in bytes that the message names
    "given_up",  # a call could not be handled, and is kept as the dead letter that the message names
    "payload_missing",  # what a message or a journal entry names is not kept any more, or is damaged
    "invalid_input",  # the component's own types refuse the input
    "user_error",  # the component raised
    "not_serialisable",  # the component returned something that JSON cannot carry
    "timeout",  # the component did not end in time
    "unknown_outcome",  # an act was begun, its end was never seen, and it must not be repeated
    "deadly",  # its process ended each time it was begun
    "model_error",  # the model provider refused or failed
    "model_auth",  # the model provider does not know the key, or does not let it do this
    "model_quota",  # nothing is left of what may be spent at the model provider
    "model_throttled",  # the model provider is asked too often
    "model_timeout",  # the model did not answer in time
    "context_overflow",  # the conversation is longer than the model reads
    "content_filtered",  # the model provider's filter refused the conversation
    "non_determinism",  # the code did not repeat what the journal says it did
    "other_embeddings",  # a search by a vector, where all memories have those of another model or size
    "reentrancy",  # a write method of an entity was called by what it waits for
    "forbidden_write",  # a shared entity method tried to change state
    "unavailable",  # the platform could not do it now
    "cancelled",
    "terminated",
]


class Failure(Shape):
    """Why something did not succeed.

    Attributes:
        code: What kind of failure; for programs.
        message: A sentence that names the field or component and the remedy; for people.
        retryable: Whether the same act may succeed later.
        retry_after_s: Seconds to wait first, where the other side said so.
        error_type: Name of the exception class that user code raised, if it did.
        error_bases: Names of the classes that it derives from below `Exception`, the nearest first; None if there are none.
    """

    code: FailureCode
    message: str
    retryable: bool = False
    retry_after_s: Annotated[float, Field(ge=0)] | None = None
    error_type: str | None = None
    error_bases: tuple[str, ...] | None = None
