"""JetStream's API: requests on `$JS.API.>` and what is answered."""

import json
from collections.abc import Callable
from typing import Any

import orjson

from towpath_testkit.jetstream_model.patterns import tokens
from towpath_testkit.jetstream_model.refusals import NotModelledError, RefusedError, refused
from towpath_testkit.jetstream_model.stream import Stream
from towpath_testkit.jetstream_model.stream_config import StreamConfig
from towpath_testkit.jetstream_model.streams import Streams
from towpath_testkit.jetstream_model.surroundings import Surroundings

Said = dict[str, Any]

_KNOWN_PURGE = {"filter", "seq", "keep"}


class Api:
    """Makes, changes, tells of and deletes streams and consumers."""

    def __init__(self, around: Surroundings, streams: Streams) -> None:
        self._around = around
        self._streams = streams
        self._calls: dict[tuple[str, str], Callable[[tuple[str, ...], bytes], Said]] = {
            ("STREAM", "CREATE"): self._create_stream,
            ("STREAM", "UPDATE"): self._update_stream,
            ("STREAM", "INFO"): self._stream_info,
            ("STREAM", "DELETE"): self._delete_stream,
            ("STREAM", "PURGE"): self._purge_stream,
            ("STREAM", "NAMES"): self._stream_names,
            ("STREAM", "MSG"): self._delete_message,
            ("CONSUMER", "CREATE"): self._create_consumer,
            ("CONSUMER", "INFO"): self._consumer_info,
            ("CONSUMER", "DELETE"): self._delete_consumer,
            ("CONSUMER", "UNPIN"): self._unpin_consumer,
        }

    def answer(self, subject: str, body: bytes) -> bytes:
        """Answer a request.

        Raises:
            NotModelledError: If the model does not know it.
        """
        family, verb, *names = tokens(subject)[2:]
        call = self._calls.get((family, verb))
        if call is None:
            raise NotModelledError(subject)
        try:
            said = call(tuple(names), body)
        except RefusedError as refusal:
            said = {"error": refusal.as_json()}
        return orjson.dumps({"type": _type_of(family, verb), **said})

    # --- Streams ----------------------------------------------------------------------------------

    def _create_stream(self, names: tuple[str, ...], body: bytes) -> Said:
        asked = _read(body)
        if asked.get("name") != names[0]:
            raise refused(10056)
        config = StreamConfig.asked(asked)
        present = self._streams.get(config.name)
        if present is not None and present.config != config:
            raise refused(10058)
        if present is None:
            self._check_overlap(config)
            present = self._streams[config.name] = Stream(self._around, config)
            self._streams.changed()
        return {**present.info(), "did_create": True}

    def _update_stream(self, names: tuple[str, ...], body: bytes) -> Said:
        config = StreamConfig.asked(_read(body))
        if config.name != names[0]:
            raise refused(10056)
        stream = self._stream(names)
        self._check_overlap(config)
        stream.change(config)
        self._streams.changed()
        return stream.info()

    def _check_overlap(self, config: StreamConfig) -> None:
        others = (stream.config for stream in self._streams.values() if stream.name != config.name)
        if any(config.overlaps(other) for other in others):
            raise refused(10065)

    def _stream_info(self, names: tuple[str, ...], body: bytes) -> Said:
        if body and _read(body):
            raise NotModelledError("details of a stream")
        return self._stream(names).info()

    def _stream_names(self, names: tuple[str, ...], body: bytes) -> Said:
        asked = _read(body) if body else {}
        if set(asked) - {"subject"}:
            raise NotModelledError(f"names of streams by {sorted(asked)}")
        pattern = asked.get("subject") or ">"
        found = sorted(name for name, one in self._streams.items() if one.config.meets(pattern))
        return {"total": len(found), "offset": 0, "limit": 1024, "streams": found or None}

    def _delete_stream(self, names: tuple[str, ...], body: bytes) -> Said:
        _expect_nothing(body)
        self._stream(names).stop()
        del self._streams[names[0]]
        self._streams.changed()
        return {"success": True}

    def _purge_stream(self, names: tuple[str, ...], body: bytes) -> Said:
        asked = _read(body) if body else {}
        if set(asked) - _KNOWN_PURGE:
            raise NotModelledError(f"a purge with {sorted(asked)}")
        if asked.get("seq") and asked.get("keep"):
            raise refused(10003)
        stream = self._stream(names)
        if stream.config.deny_purge:
            raise refused(10110)
        gone = stream.purge(asked.get("filter", ""), before=asked.get("seq", 0), keep=asked.get("keep", 0))
        stream.go_on()
        return {"success": True, "purged": gone}

    def _delete_message(self, names: tuple[str, ...], body: bytes) -> Said:
        if names[0] != "DELETE":
            raise NotModelledError(f"STREAM.MSG.{names[0]}")
        sequence = int(_read(body).get("seq", 0))
        stream = self._stream(names[1:])
        if stream.config.deny_delete:
            raise refused(10057, reason="message delete not permitted")
        if stream.config.storage == "file" and not stream.store.first <= sequence <= stream.store.last:
            is_later = sequence > stream.store.last
            raise refused(10057, reason="stream store EOF" if is_later else "no message found")
        if stream.store.get(sequence) is None:
            raise refused(10043, sequence=sequence)
        stream.store.remove(sequence)
        stream.go_on()
        return {"success": True}

    def _stream(self, names: tuple[str, ...]) -> Stream:
        if names[0] not in self._streams:
            raise refused(10059)
        return self._streams[names[0]]

    # --- Consumers --------------------------------------------------------------------------------

    def _create_consumer(self, names: tuple[str, ...], body: bytes) -> Said:
        asked = _read(body)
        config: Said = asked.get("config") or {}
        if asked.get("stream_name") != names[0]:
            raise refused(10056)
        name, pattern = names[1], ".".join(names[2:])
        if pattern and config.get("filter_subject") != pattern:
            raise refused(10131)
        if config.get("durable_name", name) != name:
            raise NotModelledError("a durable name that is not in the subject")
        return self._stream(names).make_consumer(name, {**config, "name": name}, asked.get("action", ""))

    def _consumer_info(self, names: tuple[str, ...], body: bytes) -> Said:
        _expect_nothing(body)
        stream = self._stream(names)
        if names[1] not in stream.consumers:
            raise refused(10014)
        return stream.consumers[names[1]].info()

    def _delete_consumer(self, names: tuple[str, ...], body: bytes) -> Said:
        _expect_nothing(body)
        self._stream(names).drop_consumer(names[1])
        return {"success": True}

    def _unpin_consumer(self, names: tuple[str, ...], body: bytes) -> Said:
        group = _read(body).get("group")
        if not group:
            raise refused(10025, reason="consumer group not specified")
        consumer = self._stream(names).consumers.get(names[1])
        if consumer is None:
            raise refused(10014)
        if group not in consumer.config.priority_groups:
            raise refused(10160)
        consumer.unpin()
        return {}


def _read(body: bytes) -> Said:
    try:
        return json.loads(body)
    except ValueError as error:
        raise refused(10025, reason=str(error)) from error


def _expect_nothing(body: bytes) -> None:
    if body and body.strip() not in {b"{}", b""}:
        raise refused(10038)


def _type_of(family: str, verb: str) -> str:
    return f"io.nats.jetstream.api.v1.{family.lower()}_{verb.lower()}_response"
