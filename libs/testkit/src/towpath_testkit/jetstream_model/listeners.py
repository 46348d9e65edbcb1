"""Who listens to which subjects."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from towpath_testkit.jetstream_model.patterns import is_literal, matches


class Receiver(Protocol):
    """A connection, as those see it who send something to it."""

    def message(
        self, subscription: "Subscription", subject: str, reply: str, head: bytes, body: bytes
    ) -> None:
        """Bring a message to one of its subscriptions."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Subscription:
    """Somebody who listens; of those who share a `queue` only one gets each message."""

    receiver: Receiver
    sid: str
    pattern: str
    queue: str


class Listeners:
    """All subscriptions at a server."""

    def __init__(self) -> None:
        self._literal: dict[str, list[Subscription]] = {}
        self._patterned: list[Subscription] = []

    def add(self, subscription: Subscription) -> None:
        """Let somebody listen."""
        if is_literal(subscription.pattern):
            self._literal.setdefault(subscription.pattern, []).append(subscription)
        else:
            self._patterned.append(subscription)

    def remove(self, subscription: Subscription) -> None:
        """Let somebody listen no more."""
        if not is_literal(subscription.pattern):
            self._patterned.remove(subscription)
            return
        rest = self._literal[subscription.pattern]
        rest.remove(subscription)
        if not rest:
            del self._literal[subscription.pattern]

    def of(self, subject: str) -> Iterator[Subscription]:
        """Find those who listen to a subject."""
        yield from self._literal.get(subject, ())
        for subscription in self._patterned:
            if matches(subscription.pattern, subject):
                yield subscription
