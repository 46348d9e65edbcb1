"""One client's connection, in NATS's own protocol."""

import asyncio
import json
from collections.abc import Callable
from typing import Any, Protocol

from towpath_testkit.jetstream_model.listeners import Listeners, Subscription
from towpath_testkit.jetstream_model.patterns import is_valid, matches
from towpath_testkit.jetstream_model.refusals import NotModelledError

_CRLF = b"\r\n"
_MAX_PAYLOAD = 1024 * 1024
_AS_IT_IS = "surrogateescape"  # a subject may be no text
_INFO = {
    "server_id": "MODEL",
    "server_name": "model",
    "version": "2.15.1",
    "proto": 1,
    "headers": True,
    "jetstream": True,
    "max_payload": _MAX_PAYLOAD,
}


class Server(Protocol):
    """The server, as its connections see it."""

    listeners: Listeners
    sessions: dict["Session", None]

    def publish(self, session: "Session", subject: str, reply: str, head: bytes, body: bytes) -> None:
        """Take a message from a client."""
        ...


class Session(asyncio.Protocol):
    """Reads what a client says, and writes what it is told."""

    def __init__(self, server: Server, loop: asyncio.AbstractEventLoop) -> None:
        self.wants_no_responders = False
        self._server = server
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._subscriptions: dict[str, Subscription] = {}
        self._left: dict[str, int] = {}
        self._unread = b""
        self._unsent: list[bytes] = []
        self._paused = False
        self._commands: dict[bytes, Callable[[bytes], None]] = {
            b"CONNECT": self._connect,
            b"PING": self._pong,
            b"PONG": self._nothing,
            b"SUB": self._subscribe,
            b"UNSUB": self._unsubscribe,
        }

    # --- The connection ---------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet the client."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._server.sessions[self] = None
        self._send(b"INFO %s\r\n" % json.dumps(_INFO).encode())

    def connection_lost(self, exc: Exception | None) -> None:
        """Notice that the client is gone."""
        self._transport = None
        self._server.sessions.pop(self, None)
        for subscription in self._subscriptions.values():
            self._server.listeners.remove(subscription)
        self._subscriptions.clear()

    def drop(self) -> None:
        """Break the connection."""
        if self._transport is not None:
            self._transport.abort()
        self.connection_lost(None)

    def pause(self) -> None:
        """Read nothing for a while."""
        self._paused = True

    def resume(self) -> None:
        """Read what came meanwhile."""
        self._paused = False
        self._read()

    def data_received(self, data: bytes) -> None:
        """Take what the client says."""
        self._unread += data
        self._read()

    def _read(self) -> None:
        while not self._paused and self._transport is not None and self._read_one():
            pass

    # --- What the client says ---------------------------------------------------------------------

    def _read_one(self) -> bool:
        """Read one command; tell whether it was there whole."""
        line, end, rest = self._unread.partition(_CRLF)
        if not end:
            return False
        verb, _, words = line.partition(b" ")
        if verb in {b"PUB", b"HPUB"}:
            return self._publish(words.decode(errors=_AS_IT_IS).split(), rest, has_headers=verb == b"HPUB")
        self._unread = rest
        command = self._commands.get(verb.upper())
        if command is None:
            raise NotModelledError(f"the command {line!r}")
        command(words)
        return True

    def _publish(self, words: list[str], rest: bytes, *, has_headers: bool) -> bool:
        size = int(words[-1])
        if size > _MAX_PAYLOAD:
            self._refuse("Maximum Payload Violation")
            return False
        if len(rest) < size + len(_CRLF):
            return False
        self._unread = rest[size + len(_CRLF) :]
        head_size = int(words[-2]) if has_headers else 0
        reply = words[1] if len(words) > 2 + has_headers else ""
        self._server.publish(self, words[0], reply, rest[:head_size], rest[head_size:size])
        return True

    def _refuse(self, reason: str) -> None:
        """Say why, and end the connection."""
        if self._transport is not None:
            self._transport.write(b"-ERR '%s'\r\n" % reason.encode())
            self._transport.close()
            self.connection_lost(None)

    def _connect(self, words: bytes) -> None:
        options: dict[str, Any] = json.loads(words)
        self.wants_no_responders = bool(options.get("no_responders"))

    def _pong(self, _: bytes) -> None:
        self._send(b"PONG\r\n")

    def _nothing(self, _: bytes) -> None:
        pass

    def _subscribe(self, words: bytes) -> None:
        pattern, *queue, sid = words.decode().split()
        if not is_valid(pattern):
            raise NotModelledError(f"a subscription to {pattern!r}")
        subscription = Subscription(self, sid, pattern, queue[0] if queue else "")
        self._subscriptions[sid] = subscription
        self._server.listeners.add(subscription)

    def _unsubscribe(self, words: bytes) -> None:
        sid, *most = words.decode().split()
        if most:
            self._left[sid] = int(most[0])
        elif sid in self._subscriptions:
            self._left.pop(sid, None)
            self._server.listeners.remove(self._subscriptions.pop(sid))

    # --- What the client is told ------------------------------------------------------------------

    def message(self, subscription: Subscription, subject: str, reply: str, head: bytes, body: bytes) -> None:
        """Bring a message to one of the client's subscriptions."""
        place = f"{subject} {subscription.sid} {reply}".strip()
        size = len(head) + len(body)
        line = f"HMSG {place} {len(head)} {size}\r\n" if head else f"MSG {place} {size}\r\n"
        self._send(b"".join((line.encode(errors=_AS_IT_IS), head, body, _CRLF)))
        self._count_down(subscription.sid)

    def nobody_listens(self, subject: str, reply: str) -> None:
        """Tell the client that its question found nobody, where it listens for the answer and wants to know."""
        if not self.wants_no_responders:
            return
        said = b"NATS/1.0 503\r\nNats-Subject: %s\r\n\r\n" % subject.encode(errors=_AS_IT_IS)
        for subscription in self._subscriptions.values():
            if matches(subscription.pattern, reply):
                self.message(subscription, reply, "", said, b"")
                return

    def _count_down(self, sid: str) -> None:
        left = self._left.get(sid)
        if left is not None:
            self._left[sid] = left - 1
            if left <= 1:
                self._unsubscribe(sid.encode())

    def _send(self, data: bytes) -> None:
        """Send soon: what is said at the same moment arrives together."""
        if not self._unsent:
            self._loop.call_soon(self._flush)
        self._unsent.append(data)

    def _flush(self) -> None:
        data, self._unsent = b"".join(self._unsent), []
        if self._transport is not None:
            self._transport.write(data)
