"""Payloads that are too large for a message: they are kept beside it, in pieces, and the message names them."""

from typing import Annotated, Any

from pydantic import Field

from towpath_schemas.failure import Failure
from towpath_schemas.shape import Shape

MAX_MESSAGE_BYTES = 512 * 1024
"""A body larger than this travels by reference; each piece of a payload but the last is as large."""
MAX_PAYLOAD_BYTES = 64 * 1024 * 1024
"""What is larger than this is refused where it is given: a request, an input, an argument, a result, a chunk, a state."""
MAX_WRAPPED_BYTES = MAX_PAYLOAD_BYTES + 8 * 1024 * 1024
"""A payload may be as large as this: what is as large as can be still travels in messages that say more beside it."""

KEEP_ELSEWHERE = "keep large values elsewhere and pass their place"
"""What to do about most values that are too large."""

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class LeftOut(Shape):
    """A value that an outline leaves out.

    Attributes:
        sha256: Digest of the value as JSON with sorted keys and no spaces.
        size: Its bytes as such.
    """

    sha256: Sha256
    size: Annotated[int, Field(ge=0)]


class PayloadStored(Shape):
    """Stands in place of a body that is too large for a message; the header `Towpath-Payload` says that it does.

    Whoever has no SDK gets the body by reading, from the stream PAYLOADS, the messages at
    `payloads.v1.<owner>.<sha256>.<n>` for each n from 0 to `pieces` - 1, and putting their bodies together in that
    order; its SHA-256 is `sha256`. The message's other headers, `ce-type` among them, are about that body. Any body of
    the platform's may travel so; of those that are public, what OUTPUT tells.

    Attributes:
        owner: Whose it is: the run or the entity that it is purged with, or `_`.
        size: Its bytes.
        outline: Of a journal entry or a dead letter, the body without its large values.
        left_out: Those values, by the names of their fields.
    """

    owner: Annotated[str, Field(pattern=r"^[^\s.*>]+$")]
    sha256: Sha256
    size: Annotated[int, Field(gt=0)]
    pieces: Annotated[int, Field(gt=0)]
    outline: dict[str, Any] | None = None
    left_out: dict[str, LeftOut] = {}


def too_large(
    what: str, size: int, *, limit: int = MAX_PAYLOAD_BYTES, remedy: str = KEEP_ELSEWHERE
) -> Failure:
    """Say that something, as large as `size` bytes, is refused.

    >>> too_large("the input of 'greet'", 70_000_000).message
    "the input of 'greet' has 70,000,000 bytes; the limit is 67,108,864; keep large values elsewhere and pass their place"
    """
    message = f"{what} has {size:,} bytes; the limit is {limit:,}; {remedy}"
    return Failure(code="payload_too_large", message=message)
