"""The conditions under which a stream takes a batch: of each message, with those before it in the batch in mind."""

from towpath_testkit.jetstream_model.batches import Part
from towpath_testkit.jetstream_model.messages import Headers
from towpath_testkit.jetstream_model.publishing import (
    Standing,
    check_header_size,
    check_last,
    check_stream,
)
from towpath_testkit.jetstream_model.refusals import NotModelledError, refused

_NOT_MODELLED = (
    "Nats-TTL",
    "Nats-Rollup",
    "Nats-Schedule",
    "Nats-Schedule-Next",
    "Nats-Scheduler",
    "Nats-Incr",
    "Nats-Stream-Source",
    "Nats-Required-Api-Level",
)
_LAST_ID = "Nats-Expected-Last-Msg-Id"


def admit_together(standing: Standing, parts: list[Part]) -> None:
    """Check the messages of a batch, in their order.

    Raises:
        RefusedError: If a condition does not hold.
        NotModelledError: If the model does not know what is asked.
    """
    for number, part in enumerate(parts):
        _check_known(part.headers)
        if part.headers.get(_LAST_ID):
            raise refused(10177, header=_LAST_ID)
        check_header_size(part.headers)
        check_stream(standing.store.config, part.headers)
        _check_id(standing, parts[:number], part.headers)
        _check_sequences(standing, parts[:number], part)
        standing.store.check_room_together([one.subject for one in parts[: number + 1]])


def _check_known(headers: Headers) -> None:
    asked = [name for name in _NOT_MODELLED if headers.get(name)]
    if asked:
        raise NotModelledError(f"headers {asked} in a batch")


def _check_id(standing: Standing, before: list[Part], headers: Headers) -> None:
    message_id = headers.get("Nats-Msg-Id")
    if not message_id:
        return
    known = {part.headers.get("Nats-Msg-Id") for part in before}
    if message_id in known or standing.dedupe.find(message_id) is not None:
        raise refused(10201)


def _check_sequences(standing: Standing, before: list[Part], part: Part) -> None:
    """What is expected is looked up in the stream: where the batch has changed it already, nothing can be."""
    store, headers = standing.store, part.headers
    if expected := headers.get("Nats-Expected-Last-Sequence"):
        check_last(expected, store.last + len(before))
        if before:
            raise refused(10164)
    other = headers.get("Nats-Expected-Last-Subject-Sequence-Subject")
    if expected := headers.get("Nats-Expected-Last-Subject-Sequence"):
        subject = other or part.subject
        if any(one.subject == subject for one in before):
            raise refused(10164)
        newest = store.newest(subject)
        check_last(expected, 0 if newest is None else newest.sequence)
    elif other:
        raise refused(10193)
