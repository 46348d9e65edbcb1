"""What the server says no to, with JetStream's own codes and words."""

from typing import Any


class NotModelledError(Exception):
    """The model does not know what it was asked; the real server does."""


class RefusedError(Exception):
    """The server refuses a request or a message.

    Attributes:
        status: The kind of refusal, as HTTP would say it.
        code: JetStream's code for exactly this.
    """

    def __init__(self, status: int, code: int, description: str) -> None:
        super().__init__(description)
        self.status, self.code, self.description = status, code, description

    def as_json(self) -> dict[str, Any]:
        """Write it as the API does."""
        return {"code": self.status, "err_code": self.code, "description": self.description}


class DuplicateError(Exception):
    """The message is stored already, at `sequence`."""

    def __init__(self, sequence: int) -> None:
        super().__init__(f"duplicate of message {sequence}")
        self.sequence = sequence


def refused(code: int, **details: object) -> RefusedError:
    """Name a refusal by its code."""
    status, description = _REFUSALS[code]
    return RefusedError(status, code, description.format(**details))


_REFUSALS = {
    10003: (400, "bad request"),
    10012: (500, "{reason}"),
    10013: (400, "consumer name already in use"),
    10014: (404, "consumer not found"),
    10025: (400, "invalid JSON: {reason}"),
    10038: (400, "expected an empty request payload"),
    10043: (400, "sequence {sequence} not found"),
    10052: (500, "{reason}"),
    10054: (400, "message size exceeds maximum allowed"),
    10056: (400, "stream name in subject does not match request"),
    10057: (500, "{reason}"),
    10058: (400, "stream name already in use with a different configuration"),
    10059: (404, "stream not found"),
    10060: (400, "expected stream does not match"),
    10065: (400, "subjects overlap with an existing stream"),
    10070: (400, "wrong last msg ID: {last}"),
    10071: (400, "wrong last sequence: {last}"),
    10077: (503, "{reason}"),
    10084: (400, "consumer in pull mode requires explicit ack policy on workqueue stream"),
    10094: (400, "{reason}"),
    10097: (400, "header size exceeds maximum allowed of 64k"),
    10098: (400, "workqueue stream requires explicit ack"),
    10099: (400, "multiple non-filtered consumers not allowed on workqueue stream"),
    10100: (400, "filtered consumer not unique on workqueue stream"),
    10101: (400, "consumer must be deliver all on workqueue stream"),
    10110: (500, "stream purge not permitted"),
    10111: (500, "{reason}"),
    10131: (400, "Consumer create request did not match filtered subject from create subject"),
    10132: (400, "Consumer Durable and Name have to be equal if both are provided"),
    10136: (400, "consumer cannot have both FilterSubject and FilterSubjects specified"),
    10138: (400, "consumer subject filters cannot overlap"),
    10139: (400, "consumer filter in FilterSubjects cannot be empty"),
    10148: (400, "consumer already exists"),
    10149: (400, "consumer does not exist"),
    10159: (400, "Setting PriorityPolicy requires at least one PriorityGroup to be set"),
    10160: (400, "Provided priority group does not exist for this consumer"),
    10164: (400, "wrong last sequence"),
    10165: (400, "invalid per-message TTL"),
    10166: (400, "per-message TTL is disabled"),
    10174: (400, "atomic publish is disabled"),
    10175: (400, "atomic publish sequence is missing"),
    10176: (400, "atomic publish batch is incomplete"),
    10177: (400, "atomic publish unsupported header used: {header}"),
    10179: (400, "atomic publish batch ID is invalid"),
    10183: (400, "consumer ack wait needs to be positive"),
    10188: (400, "message schedules is disabled"),
    10189: (400, "message schedules pattern is invalid"),
    10190: (400, "message schedules target is invalid"),
    10191: (400, "message schedules invalid per-message TTL"),
    10192: (400, "message schedules invalid rollup"),
    10193: (400, "missing sequence for expected last sequence per subject"),
    10196: (400, "consumer can not have priority groups when policy is none"),
    10197: (400, "PinnedTTL cannot be set when PriorityPolicy is none"),
    10199: (400, "atomic publish batch is too large: {size}"),
    10201: (400, "atomic publish batch contains duplicate message id"),
    10212: (400, "message schedules invalid scheduler"),
    10223: (400, "message schedules time zone is invalid"),
}
