"""The schedules of a stream: messages that put a copy of themselves onto another subject when their time has come."""

from collections.abc import Callable
from typing import NamedTuple

from towpath_testkit.jetstream_model.clock import SECOND, Clock
from towpath_testkit.jetstream_model.messages import Headers, Message, read_time
from towpath_testkit.jetstream_model.refusals import RefusedError
from towpath_testkit.jetstream_model.schedule_patterns import next_firing

_LEAST_WAIT_NS = SECOND // 4
PURGE = "purge"


class Fired(NamedTuple):
    """A message that a schedule has produced."""

    subject: str
    headers: Headers
    body: bytes


class _Entry(NamedTuple):
    sequence: int
    at_ns: int


class Schedules:
    """One schedule per subject at the most; the server looks at them every 250 ms at the most."""

    def __init__(
        self, clock: Clock, find: Callable[[int], Message | None], fire: Callable[[Fired], None]
    ) -> None:
        self._clock = clock
        self._find = find
        self._fire = fire
        self._timer = clock.timer(self.run)
        self._deadline_ns: int | None = None
        self._earliest_ns: int | None = None
        self._entries: dict[str, _Entry] = {}

    def stored(self, message: Message) -> None:
        """Notice a message that was stored: a schedule, one that cancels a schedule, or one made by a schedule."""
        headers = message.headers
        firing = _firing(headers, message.at_ns)
        if firing is not None:
            self._set(message.subject, _Entry(message.sequence, firing))
        elif not headers.get("Nats-Scheduler"):
            self._entries.pop(message.subject, None)
        self._set_again(headers)

    def removed(self, message: Message) -> None:
        """Notice a message that is gone."""
        entry = self._entries.get(message.subject)
        if entry is not None and entry.sequence == message.sequence:
            del self._entries[message.subject]

    def stop(self) -> None:
        """End."""
        self._timer.cancel()

    def _set_again(self, headers: Headers) -> None:
        upcoming, scheduler = headers.get("Nats-Schedule-Next"), headers.get("Nats-Scheduler")
        entry = self._entries.get(scheduler)
        if upcoming and upcoming != PURGE and entry is not None:
            self._set(scheduler, _Entry(entry.sequence, read_time(upcoming) or 0))

    def _set(self, subject: str, entry: _Entry) -> None:
        self._entries[subject] = entry
        known = self._earliest_ns
        self._earliest_ns = entry.at_ns if known is None else min(known, entry.at_ns)
        self._arm()

    def _arm(self) -> None:
        if self._earliest_ns is None:
            self._timer.cancel()
            return
        wait_ns = max(self._earliest_ns - self._clock.now_ns(), _LEAST_WAIT_NS)
        deadline_ns = self._clock.now_ns() + wait_ns
        if self._deadline_ns is None or deadline_ns <= self._deadline_ns:
            self._deadline_ns = deadline_ns
            self._timer.set(wait_ns)

    def run(self) -> None:
        """Fire what is due."""
        # What fires now still counts as the earliest afterwards: so the server looks once more, 250 ms later
        self._earliest_ns = min((entry.at_ns for entry in self._entries.values()), default=None)
        for entry in sorted(self._due()):
            message = self._find(entry.sequence)
            if message is not None:
                self._fire(_copy(message, entry, self._clock.now_ns()))
        self._deadline_ns = None
        self._arm()

    def _due(self) -> list[_Entry]:
        now_ns = self._clock.now_ns()
        return [entry for entry in self._entries.values() if entry.at_ns <= now_ns]


def _firing(headers: Headers, at_ns: int) -> int | None:
    try:
        firing = next_firing(headers, after_ns=at_ns, now_ns=at_ns)
    except RefusedError:
        return None
    return None if firing is None else firing.at_ns


def _copy(message: Message, entry: _Entry, now_ns: int) -> Fired:
    asked = message.headers
    kept = asked.without("Nats-Schedule", "Nats-Expected-", "Nats-Msg-Id", "Nats-TTL", "Nats-Rollup")
    firing = next_firing(asked, after_ns=entry.at_ns, now_ns=now_ns)
    again = firing is not None and firing.repeats
    upcoming = str(firing) if again else PURGE
    lines = [("Nats-Scheduler", message.subject), ("Nats-Schedule-Next", upcoming)]
    for name, told in (("Nats-TTL", "Nats-Schedule-TTL"), ("Nats-Rollup", "Nats-Schedule-Rollup")):
        if asked.get(told):
            lines.append((name, asked.get(told)))
    return Fired(asked.get("Nats-Schedule-Target"), Headers.read(kept.with_lines(lines)), message.body)
