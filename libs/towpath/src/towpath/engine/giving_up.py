"""Notices when the code of a run gives an act up: it is cancelled while it waits for how the act ends.

It may have a time limit of its own (`asyncio.timeout`), or need no more than the first of several results. That is
recorded, so that no replay tells the code what it was never told.
"""

import asyncio
from types import TracebackType

from towpath.engine.asked import ABANDONABLE, Asked
from towpath.engine.live_run import LiveRun
from towpath.engine.tasks import in_work
from towpath.scopes import current_scope
from towpath_schemas.journal import ActGivenUp


class giving_up:  # noqa: N801 - used like a function; a class, since every act enters one
    """The block in which code does an act: cancelled there, it has given the act up."""

    __slots__ = ("_asked", "_run")

    def __init__(self, run: LiveRun, asked: Asked) -> None:
        self._run, self._asked = run, asked

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: TracebackType | None) -> None:
        if isinstance(error, asyncio.CancelledError):
            _give_up(self._run, self._asked)


def _give_up(run: LiveRun, asked: Asked) -> None:
    """Record that the code is not told of an act, or see that it does again what the journal says.

    Of work, which no replay repeats, only waits are recorded: what comes is for others. What it has begun may still be
    wanted, if it is done again.
    """
    if run.history.is_given_up(asked.key):
        run.repeat_giving_up(asked.key)
    elif asked.kind in ABANDONABLE:
        run.reception.give_up(asked.key)
    elif not in_work.get():
        run.append_soon(_record(run, asked))


def _record(run: LiveRun, asked: Asked) -> ActGivenUp:
    intended = run.history.intended(asked.key)
    return ActGivenUp.model_validate(
        {
            "at": run.clock(),
            "key": asked.key,
            "act": asked.kind,
            "target": asked.target or asked.key,
            "agent": intended.agent if intended else current_scope().agent,
        }
    )
