# pyright: reportPrivateUsage=false
"""The NATS protocol where nats-py is too slow for us, or too weak: reading messages, and publishing many at once.

Measured on messages with 14 headers: reading them takes 4 us instead of 30, writing one of a batch 3 instead of 25.
"""

from collections.abc import Iterable
from functools import partial
from typing import NamedTuple

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import OutboundBufferLimitError

_ORIGINAL = Client._parse_header_lines  # noqa: SLF001 - what we do faster must stay the same
_WHITESPACE = " \t\n\r\x0b\x0c"


class Outgoing(NamedTuple):
    """A message without a reply subject; header values hold no line breaks."""

    subject: str
    headers: dict[str, str]
    body: bytes


def quicken(nats: Client) -> None:
    """Let a connection read headers faster, and survive a subject that is no text, which would end its reading."""
    nats._parse_header_lines = header_lines  # noqa: SLF001
    nats._build_message = partial(_message, nats)  # noqa: SLF001


def _message(  # noqa: PLR0917 - as nats-py calls it
    nats: Client, sid: int, subject: bytes, reply: bytes, data: bytes, headers: dict[str, str] | None
) -> Msg:
    return Msg(
        _client=nats,
        subject=subject.decode(errors="backslashreplace"),
        reply=reply.decode(errors="backslashreplace"),
        data=data,
        headers=headers,
        _sid=sid,
    )


def size_of(headers: dict[str, str] | None, body: bytes) -> int:
    """Count the bytes of a message as the broker does, headers included.

    >>> size_of({"ce-id": "1"}, b"12")
    24
    """
    if headers is None:
        return len(body)
    lines = sum(len(name.encode()) + len(value.encode()) + 4 for name, value in headers.items())
    return len("NATS/1.0") + 2 + lines + 2 + len(body)


def header_lines(raw: bytes) -> dict[str, str]:
    r"""Read the lines of a message's headers, as nats-py does.

    >>> header_lines(b"ce-id: 1\r\nce-type:a:b\r\n\r\n")
    {'ce-id': '1', 'ce-type': 'a:b'}
    """
    if not raw.isascii():
        return _ORIGINAL(raw)
    found: dict[str, str] = {}
    for line in raw.decode().split("\r\n"):
        name, colon, value = line.partition(":")
        words = name.split()
        if colon and len(words) == 1:
            found[words[0]] = value.strip(_WHITESPACE)
    return found


async def barrier(nats: Client) -> None:
    """Wait until the broker has handled all that was sent before, subscriptions among it.

    nats-py's own `flush` sends its PING ahead of what still waits to be sent, so that alone proves nothing.

    Raises:
        nats.errors.Error: If there is no connection.
    """
    await nats._flush_pending(force_flush=True)  # noqa: SLF001
    await nats.flush()


async def publish_together(nats: Client, messages: Iterable[Outgoing]) -> None:
    """Send messages in order, in one piece, and wait for no answer.

    Raises:
        OutboundBufferLimitError: If there is no connection; nothing was sent.
    """
    if not nats.is_connected:
        raise OutboundBufferLimitError
    await nats._send_command(b"".join(_command(message) for message in messages))  # noqa: SLF001
    await nats._flush_pending()  # noqa: SLF001


def _command(message: Outgoing) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in message.headers.items())
    head = f"NATS/1.0\r\n{lines}\r\n".encode()
    size = len(head) + len(message.body)
    return b"".join((f"HPUB {message.subject} {len(head)} {size}\r\n".encode(), head, message.body, b"\r\n"))
