"""What a session says of itself, and of messages that it has taken: what its entity and its users both know."""

from collections.abc import Collection, Iterable
from datetime import datetime

from pydantic import Field

from towpath.sessions.about import About
from towpath.sessions.events import Said, SessionEvent, SessionMessage
from towpath.sessions.view import Span, View
from towpath_schemas.shape import Shape


class Head(Shape):
    """What a session knows without looking at its events.

    Attributes:
        about: What it was told about itself.
        count: How many events there are; the number of the next.
        latest: When the newest was.
        spans: Which messages are in view; see `View`.
        kept_from: The number from which on all events are still there; of those before it, only messages in view are.
        life: Drawn when it began: a session that begins anew, once it was deleted or forgotten, has another.
    """

    about: About = About()
    count: int = 0
    latest: datetime | None = None
    spans: tuple[Span, ...] = Field(default=())
    kept_from: int = 0
    life: str | None = None

    @property
    def view(self) -> View:
        """The messages in view."""
        return View(self.spans)

    @property
    def numbers(self) -> list[int]:
        """The events that are still there, in order."""
        older = sorted(number for number in self.view.numbers if number < self.kept_from)
        return [*older, *range(self.kept_from, self.count)]

    def forgetting(self, dropped: Collection[int], *, before: int = 0) -> "Head":
        """Take messages out of the view, and forget what happened before them or before a number, but what is in view.

        >>> Head(count=5, spans=((0, 5),)).forgetting({1, 2}).numbers
        [0, 3, 4]
        >>> Head(count=5, spans=((1, 2),)).forgetting((), before=3).numbers
        [1, 3, 4]
        """
        kept_from = max(self.kept_from, before, max(dropped, default=-1) + 1)
        return self.model_copy(update={"spans": self.view.without(dropped).spans, "kept_from": kept_from})

    def with_events(self, events: Iterable[SessionEvent], view: View) -> "Head":
        """Count new events."""
        new = [*events]
        return self.model_copy(
            update={"count": self.count + len(new), "latest": new[-1].timestamp, "spans": view.spans}
        )


class Taken(Shape):
    """As what a session has taken messages: whoever sent them knows what they say.

    Attributes:
        first: The number of the first; the others follow.
        life: See `Head`.
    """

    first: int
    timestamp: datetime
    run_id: str
    life: str | None = None

    def as_kept(self, messages: Iterable[Said]) -> list[SessionMessage]:
        """Write messages as the session keeps them."""
        return [
            SessionMessage(number=number, timestamp=self.timestamp, run_id=self.run_id, **said.model_dump())
            for number, said in enumerate(messages, self.first)
        ]
