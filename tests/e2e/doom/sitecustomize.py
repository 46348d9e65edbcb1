"""Kills the process it is loaded into, at the write to the broker that the test has chosen.

Python loads it by its name, into every service that the test starts. `$DOOM/<role>` says `before <n>` or
`after <n>`: the process kills itself (SIGKILL) right before or after its write number n from now on. A request counts
as a write: an answer is brought to a run in memory by one, and that is in the journal when the request returns.
"""

import os
import signal
import sys
from collections.abc import Awaitable, Callable
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

    order = DOOM / _role()
    given, said = "", 0

    def count() -> int:
        """Count what is said: from 1, since the order was given."""
        nonlocal given, said
        now = order.read_text() if order.exists() else ""
        given, said = now, said + 1 if now == given else 1
        return said

    def doomed(say: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def saying(*arguments: Any, **named: Any) -> Any:
            number = count()
            if given == f"before {number}":
                _die()
            answer = await say(*arguments, **named)
            if given == f"after {number}":
                _die()
            return answer

        return saying

    for name in ("publish", "request"):
        setattr(JetStream, name, doomed(getattr(JetStream, name)))


if _role():
    _install()
