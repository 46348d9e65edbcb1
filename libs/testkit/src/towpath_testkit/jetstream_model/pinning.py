"""To which of the clients that pull a consumer is pinned, where it is of that kind."""

from collections.abc import Callable
from typing import Literal

from towpath_testkit.jetstream_model.clock import Clock
from towpath_testkit.jetstream_model.consumer_config import ConsumerConfig
from towpath_testkit.jetstream_model.pull_requests import Pull

Verdict = Literal["served", "later", "refused"]


class Pinning:
    """The pin of one consumer; it ends when its holder has not pulled for a while."""

    def __init__(self, clock: Clock, new_pin: Callable[[], str], signal: Callable[[], None]) -> None:
        self.pin = ""
        self._new_pin = new_pin
        self._signal = signal
        self._timer = clock.timer(self._time_out)

    def refusal(self, config: ConsumerConfig, pull: Pull) -> tuple[int, str] | None:
        """Tell why a pull is not even taken, if so; a pull of the holder prolongs the pin."""
        if pull.group is None:
            return None
        if not config.pinned:
            return (400, "Bad Request - Not a Pinned Client Priority consumer") if pull.pin else None
        if not pull.group:
            return 400, "Bad Request - Priority Group missing"
        if pull.group not in config.priority_groups:
            return 400, "Bad Request - Invalid Priority Group"
        if self.pin and pull.pin == self.pin:
            self._timer.set(config.priority_timeout)
        elif self.pin and pull.pin:
            return 423, "Nats-Pin-Id mismatch"
        return None

    def judge(self, config: ConsumerConfig, pull: Pull, *, anew: bool) -> Verdict:
        """Tell whether a pull is served; `anew` if nobody was pinned when a message came, so that this may be."""
        if not config.pinned:
            return "served"
        if anew or not self.pin:
            if pull.pin:
                return "refused"
            self._assign(config, pull)
            return "served"
        if pull.pin == self.pin:
            return "served"
        return "refused" if pull.pin else "later"

    def release(self) -> None:
        """Let nobody be pinned."""
        self.pin = ""
        self._timer.cancel()

    def _assign(self, config: ConsumerConfig, pull: Pull) -> None:
        if pull.group:
            self.pin = pull.pin = self._new_pin()
            self._timer.set(config.priority_timeout)

    def _time_out(self) -> None:
        self.release()
        self._signal()
