"""Who listens to which subjects."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar

from towpath_testkit.jetstream_model.patterns import beginning, is_literal, matches, tokens

K = TypeVar("K")


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
    """All subscriptions at a server: those with wildcards are found by the tokens before the first one."""

    def __init__(self) -> None:
        self._literal: dict[str, list[Subscription]] = {}
        self._patterned: dict[tuple[str, ...], list[Subscription]] = {}
        self._lengths: tuple[int, ...] = ()

    def add(self, subscription: Subscription) -> None:
        """Let somebody listen."""
        if is_literal(subscription.pattern):
            self._literal.setdefault(subscription.pattern, []).append(subscription)
        else:
            self._patterned.setdefault(beginning(subscription.pattern), []).append(subscription)
            self._measure()

    def remove(self, subscription: Subscription) -> None:
        """Let somebody listen no more."""
        if is_literal(subscription.pattern):
            _remove(self._literal, subscription.pattern, subscription)
        else:
            _remove(self._patterned, beginning(subscription.pattern), subscription)
            self._measure()

    def of(self, subject: str) -> Iterator[Subscription]:
        """Find those who listen to a subject."""
        yield from self._literal.get(subject, ())
        parts = tokens(subject)
        for length in self._lengths:
            for subscription in self._patterned.get(parts[:length], ()):
                if matches(subscription.pattern, subject):
                    yield subscription

    def _measure(self) -> None:
        self._lengths = tuple(sorted({len(begins) for begins in self._patterned}))


def _remove(listening: dict[K, list[Subscription]], key: K, subscription: Subscription) -> None:
    listening[key].remove(subscription)
    if not listening[key]:
        del listening[key]
