"""What can be compared of what a server says: everything but names it makes up and the time of day."""

import json
from typing import Any, cast

from nats.aio.msg import Msg

_OF_THE_MOMENT = {
    "created",
    "ts",
    "first_ts",
    "last_ts",
    "last_active",
    "metadata",
    "cluster",
    "type",
    "priority_groups",
    "opt_start_time",
}
_REPLY_TOKENS = 9


class Pins:
    """The ids of pins, in the order in which they were seen."""

    def __init__(self) -> None:
        self._seen: list[str] = []

    @property
    def newest(self) -> str:
        """The last one seen first; something else before any."""
        return self._seen[-1] if self._seen else "none"

    def name(self, pin: str) -> str:
        """Name a pin by its place."""
        if pin not in self._seen:
            self._seen.append(pin)
        return f"pin {self._seen.index(pin)}"


def api_answer(data: bytes) -> Any:
    """Read an answer of the API."""
    return plain(json.loads(data)) if data else "nobody"


def plain(said: Any) -> Any:
    """Leave out what is of the moment, and what is left unsaid or said to be nothing."""
    if isinstance(said, dict):
        told = cast("dict[str, Any]", said)
        kept = {name: plain(value) for name, value in told.items() if name not in _OF_THE_MOMENT}
        return {name: value for name, value in kept.items() if value not in (0, "", False, None, [], {})}
    if isinstance(said, list):
        return [plain(one) for one in cast("list[Any]", said)]
    return said


def delivered(message: Msg, pins: Pins) -> dict[str, Any]:
    """Describe a message that came."""
    headers = {str(getattr(name, "value", name)): value for name, value in (message.headers or {}).items()}
    headers.pop("Nats-Time-Stamp", None)
    if headers.get("Status") == "503":
        headers = {"Status": "503"}  # nats-py cannot read the rest
    if "Nats-Pin-Id" in headers:
        headers["Nats-Pin-Id"] = pins.name(headers["Nats-Pin-Id"])
    if headers.get("Nats-Schedule-Next", "purge") != "purge":
        at_an_offset = not headers["Nats-Schedule-Next"].endswith("Z")
        headers["Nats-Schedule-Next"] = "later, in its time zone" if at_an_offset else "later"
    if headers.get("Nats-Schedule", "").startswith("@at"):
        headers["Nats-Schedule"] = "@at"
    described: dict[str, Any] = {
        "subject": message.subject,
        "headers": headers,
        "body": message.data.decode(),
    }
    if message.reply:
        described["ack"] = _acknowledgement(message.reply)
    return {name: value for name, value in described.items() if value}


def _acknowledgement(reply: str) -> list[str]:
    tokens = reply.split(".")
    if len(tokens) == _REPLY_TOKENS:
        return tokens[
            :7
        ]  # not when it was stored, nor how many wait: a new one may be counted by then, or not
    return ["question"]
