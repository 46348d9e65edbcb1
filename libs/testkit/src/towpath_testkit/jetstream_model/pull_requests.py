"""The pulls that wait at a consumer, first come, first served; a pull for many goes to the end after each message."""

import json
from collections import deque
from dataclasses import dataclass
from typing import Any

from towpath_testkit.jetstream_model.messages import status
from towpath_testkit.jetstream_model.refusals import NotModelledError

_KNOWN = {"batch", "expires", "max_bytes", "no_wait", "group", "id"}


class BadPullError(Exception):
    """The question cannot be read."""


@dataclass(slots=True)
class Pull:
    """One pull.

    Attributes:
        left: Messages that it may still take.
        taken: Messages that it has taken.
        left_bytes: Bytes that it may still take; 0 for any number.
        expires_ns: When it ends; None for never.
    """

    reply: str
    received_ns: int
    left: int = 1
    taken: int = 0
    left_bytes: int = 0
    no_wait: bool = False
    expires_ns: int | None = None
    group: str | None = None
    pin: str = ""

    @classmethod
    def read(cls, reply: str, body: bytes, now_ns: int) -> "Pull":
        """Read a question.

        Raises:
            BadPullError: If it cannot be read.
            NotModelledError: If the model does not know what is asked.
        """
        text = body.strip()
        if not text.startswith(b"{"):
            return cls(reply, now_ns, left=int(text) if text.isdigit() else 1)
        try:
            asked: dict[str, Any] = json.loads(text)
        except ValueError as error:
            raise BadPullError("unexpected end of JSON input") from error
        if set(asked) - _KNOWN:
            raise NotModelledError(f"a pull with {sorted(set(asked) - _KNOWN)}")
        expires = asked.get("expires", 0)
        return cls(
            reply,
            now_ns,
            left=asked.get("batch", 0),
            left_bytes=asked.get("max_bytes", 0),
            no_wait=asked.get("no_wait", False),
            expires_ns=now_ns + expires if expires else None,
            group=asked.get("group", ""),
            pin=asked.get("id", ""),
        )

    def is_over(self, now_ns: int) -> bool:
        """Tell whether its time is up."""
        return self.expires_ns is not None and now_ns >= self.expires_ns

    def ended(self, code: int, text: str) -> bytes:
        """Say that it ends before it was filled."""
        lines = [("Nats-Pending-Messages", self.left), ("Nats-Pending-Bytes", self.left_bytes)]
        return status(code, text, lines)


class Pulls(deque[Pull]):
    """The pulls that wait, the next one first."""

    def take(self) -> Pull:
        """Let the first have one message."""
        pull = self[0]
        pull.taken += 1
        pull.left -= 1
        if pull.left <= 0:
            self.popleft()
        elif len(self) > 1:
            self.rotate(-1)
        return pull
