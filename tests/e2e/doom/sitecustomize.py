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
    written = 0

    def is_now(when: str) -> bool:
        nonlocal written
        if not order.exists():
            written = 0
            return False
        chosen, number = order.read_text().split()
        return chosen == when and int(number) == written

    async def doomed(self: JetStream, *arguments: Any, **named: Any) -> Any:
        nonlocal written
        written += 1
        if is_now("before"):
            _die()
        stored = await publish(self, *arguments, **named)
        if is_now("after"):
            _die()
        return stored

    JetStream.publish = doomed


if _role():
    _install()
