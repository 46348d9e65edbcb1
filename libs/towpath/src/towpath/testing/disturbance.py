"""What may befall the process of a run, beside what its code does."""

import asyncio
from typing import Any, Protocol

from towpath.around import Code
from towpath_schemas.journal import (
    JournalRecord,
    RunFinished,
    RunResumed,
    RunSuspended,
)


class Victim(Protocol):
    """A run in memory, as far as it can be disturbed."""

    @property
    def run_id(self) -> str:
        """The run."""
        ...

    @property
    def working(self) -> bool:
        """Whether steps of it are at work."""
        ...

    def die(self) -> None:
        """Let nothing of it be done any more."""
        ...

    async def wait_to_be_replayed(self) -> None:
        """Stand still until it is dropped from memory, which happens when nothing else of it goes on."""
        ...


class Disturbance:
    """Leaves a run alone."""

    def around(self, victim: Victim, code: Code[Any]) -> Code[Any]:
        """Wrap code of the run, its own and that of each task it starts."""
        return code

    async def before_write(self, victim: Victim, record: JournalRecord) -> None:
        """Take part before a record is written."""

    async def after_write(self, victim: Victim, record: JournalRecord) -> None:
        """Take part after a record was written, before the run goes on."""


class ReplayAlways(Disturbance):
    """Drops a run from memory after every record, so that it goes on from its journal each time."""

    async def after_write(self, victim: Victim, record: JournalRecord) -> None:
        """Have the run dropped, unless the record is about that, or the last, or steps at work would begin anew."""
        if not isinstance(record, RunResumed | RunSuspended | RunFinished) and not victim.working:
            await victim.wait_to_be_replayed()


def killed() -> asyncio.CancelledError:
    """Return what ends the code of a run that has died."""
    return asyncio.CancelledError("the process of the run was killed by a test")
