"""The conditions under which a stream takes a message, in the order in which the server looks at them."""

from typing import NamedTuple

from towpath_testkit.jetstream_model import patterns
from towpath_testkit.jetstream_model.ageing import lifetime_s
from towpath_testkit.jetstream_model.dedupe import Dedupe
from towpath_testkit.jetstream_model.messages import Headers
from towpath_testkit.jetstream_model.refusals import DuplicateError, NotModelledError, RefusedError, refused
from towpath_testkit.jetstream_model.schedule_patterns import next_firing
from towpath_testkit.jetstream_model.schedules import PURGE
from towpath_testkit.jetstream_model.store import Store
from towpath_testkit.jetstream_model.stream_config import StreamConfig

_ROLLUPS = {"", "sub", "all"}
_LARGEST_HEADERS = 65_535
_NOT_MODELLED = ("Nats-Incr", "Nats-Schedule-Source", "Nats-Stream-Source")


class Standing(NamedTuple):
    """What a stream looks at before it takes a message."""

    store: Store
    dedupe: Dedupe
    last_id: str
    now_ns: int


def admit(standing: Standing, subject: str, headers: Headers, body: bytes) -> Headers:
    """Check a message, and return the headers with which it is stored.

    Raises:
        RefusedError: If a condition does not hold.
        DuplicateError: If its id was seen.
        NotModelledError: If the model does not know what is asked.
    """
    if headers.values:
        _check_known(headers)
        headers = _check_headers(standing, subject, headers)
    check_size(standing.store.config, headers, body)
    check_header_size(headers)
    lifetime_s(headers.get("Nats-TTL"))
    return headers


def check_size(config: StreamConfig, headers: Headers, body: bytes) -> None:
    """Refuse a message that is too large for the stream."""
    if 0 <= config.max_msg_size < len(headers.raw) + len(body):
        raise refused(10054)


def check_header_size(headers: Headers) -> None:
    """Refuse headers that are too large for any."""
    if len(headers.raw) > _LARGEST_HEADERS:
        raise refused(10097)


def check_stream(config: StreamConfig, headers: Headers) -> None:
    """Refuse what is meant for another stream."""
    if headers.get("Nats-Expected-Stream") not in {"", config.name}:
        raise refused(10060)


def check_last(expected: str, last: int) -> None:
    """Refuse a sequence that is not the last one."""
    if not expected.isdigit() or int(expected) != last:
        raise refused(10071, last=last)


def _check_known(headers: Headers) -> None:
    asked = [name for name in _NOT_MODELLED if headers.get(name)]
    if asked:
        raise NotModelledError(f"headers {asked}")


def _check_headers(standing: Standing, subject: str, headers: Headers) -> Headers:
    config = standing.store.config
    check_stream(config, headers)
    if not config.allow_msg_ttl and _lives_shorter(headers):
        raise refused(10166)
    _check_sequences(standing.store, subject, headers)
    headers = _check_schedule(standing, subject, headers)
    _check_cancelled_schedule(standing.store, subject, headers)
    _check_ids(standing, headers)
    _check_rollup(standing.store, headers)
    return headers


def _lives_shorter(headers: Headers) -> bool:
    try:
        return lifetime_s(headers.get("Nats-TTL")) != 0
    except RefusedError:
        return False


def _check_sequences(store: Store, subject: str, headers: Headers) -> None:
    expected = headers.get("Nats-Expected-Last-Subject-Sequence")
    other = headers.get("Nats-Expected-Last-Subject-Sequence-Subject")
    if expected:
        newest = store.newest(other or subject)
        check_last(expected, 0 if newest is None else newest.sequence)
    elif other:
        raise refused(10193)
    if expected := headers.get("Nats-Expected-Last-Sequence"):
        check_last(expected, store.last)


def _check_schedule(standing: Standing, subject: str, headers: Headers) -> Headers:
    config = standing.store.config
    try:
        firing = next_firing(headers, after_ns=standing.now_ns, now_ns=standing.now_ns)
    except RefusedError as error:
        raise error if config.allow_msg_schedules else refused(10188) from error
    if firing is None:
        return headers
    if not config.allow_msg_schedules:
        raise refused(10188)
    _check_copies(standing.store, headers)
    target = headers.get("Nats-Schedule-Target")
    if not patterns.is_publishable(target) or target == subject or not config.keeps(target):
        raise refused(10190)
    return _rolled_up(headers)


def _check_copies(store: Store, headers: Headers) -> None:
    try:
        shorter = lifetime_s(headers.get("Nats-Schedule-TTL"))
    except RefusedError as error:
        raise refused(10191) from error
    if headers.get("Nats-Schedule-Rollup") not in {"", "sub"}:
        raise refused(10192)
    if shorter and not store.config.allow_msg_ttl:
        raise refused(10166)


def _rolled_up(headers: Headers) -> Headers:
    """A schedule replaces the one before on its subject."""
    rollup = headers.get("Nats-Rollup").lower()
    if rollup and rollup != "sub":
        raise refused(10192)
    return headers if rollup else Headers.read(headers.with_lines([("Nats-Rollup", "sub")]))


def _check_cancelled_schedule(store: Store, subject: str, headers: Headers) -> None:
    upcoming, scheduler = headers.get("Nats-Schedule-Next"), headers.get("Nats-Scheduler")
    if not upcoming and not scheduler:
        return
    if upcoming != PURGE or not patterns.is_publishable(scheduler) or scheduler == subject:
        raise refused(10212)
    if not store.config.allow_msg_schedules:
        raise refused(10188)
    found = store.newest(scheduler)
    if found is not None and not found.headers.get("Nats-Schedule"):
        raise refused(10212)


def _check_ids(standing: Standing, headers: Headers) -> None:
    if message_id := headers.get("Nats-Msg-Id"):
        sequence = standing.dedupe.find(message_id)
        if sequence is not None:
            raise DuplicateError(sequence)
    expected = headers.get("Nats-Expected-Last-Msg-Id")
    if expected and expected != standing.last_id:
        raise refused(10070, last=standing.last_id)


def _check_rollup(store: Store, headers: Headers) -> None:
    rollup = headers.get("Nats-Rollup").lower()
    if rollup and (not store.config.allow_rollup_hdrs or store.config.deny_purge):
        raise refused(10111, reason="rollup not permitted")
    if rollup not in _ROLLUPS:
        raise refused(10111, reason=f'rollup value invalid: "{rollup}"')
