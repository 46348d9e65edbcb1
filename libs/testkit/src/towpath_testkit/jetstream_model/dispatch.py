"""How a consumer gives messages to those who pull: whose turn it is, and what ends a pull."""

from collections.abc import Callable

from towpath_testkit.jetstream_model.clock import SECOND
from towpath_testkit.jetstream_model.consumer_config import ConsumerConfig
from towpath_testkit.jetstream_model.messages import Message, status, written
from towpath_testkit.jetstream_model.pinning import Pinning
from towpath_testkit.jetstream_model.pull_requests import BadPullError, Pull, Pulls
from towpath_testkit.jetstream_model.surroundings import Surroundings

LATE_NS = SECOND // 1000


class Dispatch:
    """The pulls that wait at one consumer; `signal` is called when there may be something to do."""

    def __init__(self, around: Surroundings, config: ConsumerConfig, signal: Callable[[], None]) -> None:
        self.config = config
        self.pulls = Pulls()
        self.last_used_ns = 0
        self.pinning = Pinning(around.clock, around.new_pin, signal)
        self._around = around
        self._clock = around.clock
        self._signal = signal
        self._expiry = around.clock.timer(self._pull_expired)

    def __bool__(self) -> bool:
        return bool(self.pulls)

    # --- Pulls come and go ------------------------------------------------------------------------

    def take(self, reply: str, body: bytes, *, waiting: int) -> None:
        """Take a pull, while so many messages wait."""
        try:
            pull = Pull.read(reply, body, self._clock.now_ns())
        except BadPullError as error:
            self._refuse(reply, 400, f"Bad Request - {error}")
            return
        refusal = self.pinning.refusal(self.config, pull)
        if refusal is not None:
            self._refuse(reply, *refusal)
        elif not (pull.no_wait and self._is_refused_at_once(pull, waiting)):
            self._add(pull)

    def drop_ended(self, *, at_end: bool) -> None:
        """Drop the pulls whose time is up, that nobody listens to, or that do not wait (`at_end` of the stream)."""
        now_ns = self._clock.now_ns()
        for pull in list(self.pulls):
            if pull.is_over(now_ns):
                self._end(pull, pull.ended(408, "Request Timeout"))
            elif at_end and pull.no_wait and (pull.expires_ns is None or pull.taken):
                self._end(pull, status(404, "No Messages"))
            elif not self._around.is_heard(pull.reply):
                self.pulls.remove(pull)
        self._set_expiry()

    def close(self) -> None:
        """Tell those who pull that there is no consumer any more."""
        for pull in self.pulls:
            self._refuse(pull.reply, 409, "Consumer Deleted")
        self.pulls.clear()
        self._expiry.cancel()
        self.pinning.release()

    def _add(self, pull: Pull) -> None:
        if len(self.pulls) >= self.config.max_waiting:
            self.drop_ended(at_end=False)
        if len(self.pulls) >= self.config.max_waiting:
            self._refuse(pull.reply, 409, "Exceeded MaxWaiting")
            return
        self.pulls.append(pull)
        self.last_used_ns = self._clock.now_ns()
        self._signal()

    def _is_refused_at_once(self, pull: Pull, waiting: int) -> bool:
        if waiting == 0 and pull.expires_ns is None:
            self._refuse(pull.reply, 404, "No Messages")
        elif waiting and waiting < self._asked_for():
            self._refuse(pull.reply, 408, "Requests Pending")
        else:
            return False
        self.last_used_ns = self._clock.now_ns()
        return True

    def _asked_for(self) -> int:
        self.drop_ended(at_end=False)
        return sum(pull.left for pull in self.pulls)

    def _refuse(self, reply: str, code: int, text: str) -> None:
        self._around.send(reply, status(code, text), b"")

    def _end(self, pull: Pull, said: bytes) -> None:
        self.pulls.remove(pull)
        self._around.send(pull.reply, said, b"")

    def _set_expiry(self) -> None:
        ends = [pull.expires_ns for pull in self.pulls if pull.expires_ns is not None]
        if ends:
            if self._expiry.due_ns != min(ends):
                self._expiry.set(max(min(ends) - self._clock.now_ns(), LATE_NS))
        else:
            self._expiry.cancel()

    def _pull_expired(self) -> None:
        self.drop_ended(at_end=True)
        self._signal()

    # --- Messages go ------------------------------------------------------------------------------

    def next(self, size: int) -> Pull | None:
        """Let the next pull have a message; None if there is nobody to have it."""
        passed = 0
        anew = not self.pinning.pin
        while self.pulls and passed < len(self.pulls):
            pull = self.pulls[0]
            if pull.is_over(self._clock.now_ns()):
                self._end(pull, pull.ended(408, "Request Timeout"))
                continue
            verdict = self.pinning.judge(self.config, pull, anew=anew)
            if verdict == "later":
                self.pulls.rotate(-1)
                passed += 1
            elif verdict == "refused":
                self._end(pull, pull.ended(423, "Nats-Wrong-Pin-Id"))
            elif self._can_have(pull, size, anew=anew):
                return self.pulls.take()
        return None

    def give(self, pull: Pull, message: Message, ack: str) -> None:
        """Send a message to whoever has the pull."""
        raw, pin = message.headers.raw, self.pinning.pin
        head = written([("Nats-Pin-Id", pin)], raw) if self.config.pinned else raw
        self.last_used_ns = self._clock.now_ns()
        self._around.send(pull.reply, head, message.body, subject=message.subject, reply=ack)
        if pull.left <= 0 and pull.left_bytes > 0:
            self._around.send(pull.reply, pull.ended(409, "Batch Completed"), b"")

    def _can_have(self, pull: Pull, size: int, *, anew: bool) -> bool:
        if 0 < pull.left_bytes < size:
            self._end(pull, pull.ended(409, "Message Size Exceeds MaxBytes"))
            if anew:
                self.pinning.release()
            return False
        if not self._around.is_heard(pull.reply):
            self.pulls.remove(pull)
            return False
        if pull.left_bytes:
            pull.left_bytes -= size
            pull.left = pull.left if pull.left_bytes else 1
        return True
