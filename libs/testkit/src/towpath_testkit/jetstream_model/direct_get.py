"""Reading a stream without a consumer: one message, or many in one answer."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from towpath_testkit.jetstream_model.messages import Message, read_time, status, written
from towpath_testkit.jetstream_model.refusals import NotModelledError
from towpath_testkit.jetstream_model.store import Store
from towpath_testkit.jetstream_model.stream import Stream

Answer = Callable[[bytes, bytes], object]

_KNOWN = {"seq", "last_by_subj", "next_by_subj", "multi_last", "batch", "max_bytes", "start_time"}
_MOST = 1_024
_LARGEST = 64 * 1024 * 1024


def direct_get(stream: Stream, body: bytes, answer: Answer) -> None:
    """Answer a question about a stream."""
    try:
        asked: dict[str, Any] = json.loads(body) if body else {}
    except ValueError:
        answer(status(408, "Malformed Request"), b"")
        return
    if set(asked) - _KNOWN:
        raise NotModelledError(f"a direct get with {sorted(set(asked) - _KNOWN)}")
    if not any(value for name, value in asked.items() if name not in {"batch", "max_bytes"}):
        answer(status(408, "Empty Request"), b"")
    elif _conflicts(asked):
        answer(status(408, "Bad Request"), b"")
    elif "multi_last" in asked:
        _newest_of_each(stream, asked, answer)
    elif asked.get("batch"):
        _several(stream, asked, answer)
    else:
        _one(stream, asked, answer)


def _conflicts(asked: dict[str, Any]) -> bool:
    last, following, several = (asked.get(name) for name in ("last_by_subj", "next_by_subj", "multi_last"))
    sequence, time = asked.get("seq"), asked.get("start_time")
    return bool(
        (sequence and (last or time))
        or (last and (time or following or several or asked.get("batch")))
        or (following and several)
    )


def _one(stream: Stream, asked: dict[str, Any], answer: Answer) -> None:
    store = stream.store
    if "last_by_subj" in asked:
        found = store.newest(asked["last_by_subj"])
    elif "next_by_subj" in asked:
        found = store.following(_start(store, asked), (asked["next_by_subj"],))
    else:
        found = store.get(_start(store, asked))
    if found is None:
        answer(status(404, "Message Not Found"), b"")
    else:
        answer(written(_place(stream, found), found.headers.raw), found.body)


def _several(stream: Stream, asked: dict[str, Any], answer: Answer) -> None:
    store, pattern = stream.store, asked.get("next_by_subj", ">")
    start, previous = _start(store, asked), 0
    waiting = store.waiting(start, (pattern,))
    for message in _limited(_following(store, start, pattern), asked):
        waiting -= 1
        answer(_described(stream, message, waiting, previous), message.body)
        previous = message.sequence
    if previous == 0:
        answer(status(404, "Message Not Found"), b"")
    else:
        lines = [("Nats-Num-Pending", waiting), ("Nats-Last-Sequence", previous)]
        answer(status(204, "EOB", lines), b"")


def _newest_of_each(stream: Stream, asked: dict[str, Any], answer: Answer) -> None:
    store, until = stream.store, stream.store.last
    found = store.newest_of_each(asked["multi_last"], until=until)
    if len(found) > _MOST:
        answer(status(413, "Too Many Results"), b"")
        return
    if not found:
        answer(status(404, "No Results"), b"")
        return
    waiting, previous = len(found), 0
    for message in _limited(iter(found), asked):
        waiting -= 1
        if message.sequence >= asked.get("seq", 0):
            answer(_described(stream, message, waiting, previous), message.body)
            previous = message.sequence
    lines = [("Nats-Num-Pending", waiting), ("Nats-Last-Sequence", previous), ("Nats-UpTo-Sequence", until)]
    answer(status(204, "EOB", lines), b"")


def _start(store: Store, asked: dict[str, Any]) -> int:
    if "start_time" in asked:
        return store.since(read_time(asked["start_time"]) or 0)
    return asked.get("seq", 0)


def _following(store: Store, start: int, pattern: str) -> Iterator[Message]:
    message = store.following(start, (pattern,))
    while message is not None:
        yield message
        message = store.following(message.sequence + 1, (pattern,))


def _limited(messages: Iterator[Message], asked: dict[str, Any]) -> Iterator[Message]:
    size = 0
    for count, message in enumerate(messages, 1):
        yield message
        size += len(message.subject) + len(message.headers.raw) + len(message.body)
        if size >= (asked.get("max_bytes") or _LARGEST) or count == asked.get("batch"):
            return


def _place(stream: Stream, message: Message) -> list[tuple[str, object]]:
    return [
        ("Nats-Stream", stream.name),
        ("Nats-Subject", message.subject),
        ("Nats-Sequence", message.sequence),
        ("Nats-Time-Stamp", message.stamp),
    ]


def _described(stream: Stream, message: Message, waiting: int, previous: int) -> bytes:
    rest = [("Nats-Num-Pending", waiting), ("Nats-Last-Sequence", previous)]
    return written([*_place(stream, message), *rest], message.headers.raw)
