"""Dead letters: what could not be handled, with the reason and all that redriving it needs."""

import base64
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field

from towpath_schemas import subjects
from towpath_schemas.attribution import Attribution
from towpath_schemas.shape import Shape


class Original(Shape):
    """A message as it was published.

    Attributes:
        headers: Its headers, as they came.
        body: Its body, in the `encoding` named; of a message that names its payload this is what names it. Left out,
            as large headers are, where letters are listed.
    """

    headers: dict[str, str] = {}
    body: str = ""
    encoding: Literal["utf-8", "base64"] = "utf-8"

    @classmethod
    def of(cls, headers: Mapping[str, str] | None, body: bytes) -> Self:
        """Write a message down, so that its body takes a third more in a JSON string at the most."""
        said = {_writable(name): _writable(value) for name, value in (headers or {}).items()}
        text = _text(body)
        if text is None:
            return cls(headers=said, body=base64.b64encode(body).decode(), encoding="base64")
        return cls(headers=said, body=text)

    @property
    def raw(self) -> bytes:
        """The body, byte for byte as it came."""
        return base64.b64decode(self.body) if self.encoding == "base64" else self.body.encode()


class DeadLetter(Original):
    """One message that was given up.

    Attributes:
        letter_id: Derived from where the message stood: the same message has one letter of each consumer.
        stream: The stream it was in.
        consumer: Who could not handle it.
        reason: A sentence for people.
        attempts: How often it was tried: how often it was delivered, and within the last delivery tried again.
        at: When it was given up, in seconds since 1970.
        published_at: When it was published, by the broker's clock.
        subject: Where it was published.
        sequence: Its sequence in the stream it was in; 0 of a request that is written anew: see `run_id`.
        attribution: On whose behalf it was, as far as that is known.
        run_id: The run of a function that failed for good; the message is the request that starts it again, as another run.
    """

    letter_id: str
    stream: str
    consumer: str
    reason: str
    attempts: int
    at: float
    published_at: float
    subject: str
    sequence: int
    attribution: Attribution | None = None
    run_id: str | None = None

    @property
    def tenant(self) -> str:
        """Whose it is; nobody's where that is not known."""
        return self.attribution.tenant if self.attribution else subjects.NOBODY


class LetterView(Shape):
    """A letter as people see it.

    Attributes:
        place: How people name it: its sequence in DEAD.
        redriven_at: When its message was published again, in seconds since 1970; None where it was not.
        redriven_by: Who asked for that.
    """

    place: int
    letter: DeadLetter
    redriven_at: float | None = None
    redriven_by: Attribution | None = None


class LetterFilter(Shape):
    """Which dead letters are meant; None means any.

    Attributes:
        stream: Of messages that were in this stream.
        subject: Of messages published there; a subject, or a pattern as the broker has them.
        reason: With this text in their reason, in capitals or not.
        since: Kept at this time (seconds since 1970) or later.
    """

    stream: str | None = None
    subject: str | None = None
    reason: str | None = None
    since: Annotated[float, Field(ge=0, le=4e9)] | None = None

    def fits(self, letter: DeadLetter) -> bool:
        """Tell whether `letter` is meant, as far as the letter itself says: not by `since`, which its place decides."""
        return (
            (self.stream is None or letter.stream == self.stream)
            and (self.subject is None or subjects.matches(self.subject, letter.subject))
            and (self.reason is None or self.reason.casefold() in letter.reason.casefold())
        )


def _text(body: bytes) -> str | None:
    """Read a body as text, if it is any that JSON writes without much ado."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return None
    escapes = text.count('"') + text.count("\\") + sum(5 for char in text if char < " ")
    return None if 3 * escapes > len(body) else text


def _writable(text: str) -> str:
    """Replace what UTF-8 cannot carry: bytes of a header that were no text."""
    return text.encode(errors="replace").decode()
