"""Dead letters: what could not be handled, with the reason and all that redriving it needs."""

from typing import Literal

from towpath_schemas.shape import Shape


class DeadLetter(Shape):
    """One message that was given up.

    Attributes:
        reason: A sentence for people.
        attempts: How often it was delivered.
        subject: Where it was published.
        headers: Its headers, as they came.
        body: Its body, in the `encoding` named.
        sequence: Its sequence in the stream it was in.
    """

    stream: str
    consumer: str
    reason: str
    attempts: int
    at: float
    subject: str
    sequence: int
    headers: dict[str, str] = {}
    body: str
    encoding: Literal["utf-8", "base64"] = "utf-8"
