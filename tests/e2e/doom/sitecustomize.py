"""Kills the process it is loaded into, at the write to the broker that the test has chosen.

Python loads it by its name, into every service that the test starts. `$DOOM/<role>` says `before <n>` or
`after <n>`: the process kills itself (SIGKILL) right before or after its write number n from now on.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

DOOM = Path(os.environ["DOOM"])  # noqa: TID251 - the test says where


def _role() -> str:
    module = next((part for part in sys.orig_argv if part.startswith("towpath_")), "")
    return module.removeprefix("towpath_").replace("_", "-")


def _die() -> None:
    (DOOM / _role()).unlink()
    os.kill(os.getpid(), signal.SIGKILL)


def _install() -> None:
    from towpath_chassis.jetstream import JetStream  # noqa: PLC0415 - only in a service

    publish, order = JetStream.publish, DOOM / _role()
    given, written = "", 0

    def count() -> int:
        """Count a write: from 1, since the order was given."""
        nonlocal given, written
        now = order.read_text() if order.exists() else ""
        given, written = now, written + 1 if now == given else 1
        return written

    async def doomed(self: JetStream, *arguments: Any, **named: Any) -> Any:
        number = count()
        if given == f"before {number}":
            _die()
        stored = await publish(self, *arguments, **named)
        if given == f"after {number}":
            _die()
        return stored

    JetStream.publish = doomed


if _role():
    _install()
