"""Faults that are planted in the platform are found: a check that cannot fail proves nothing.

Some are faults that simulations have found; the others are what the design is there to prevent.
"""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest

from towpath.engine.live_run import LiveRun
from towpath.runtime.tool_host import ToolHost
from towpath_chassis.delivery import Delivery
from towpath_chassis.jetstream import JetStream
from towpath_chassis.journal import Claim
from towpath_chassis.messages import Message
from towpath_schemas.streams import Stream
from towpath_testkit.simulation.examining import examine, undisturbed

SEEDS = range(60, 160)
"""Where the search begins, each fault is found soon."""
Plant = Callable[[pytest.MonkeyPatch], None]


def records_are_written_without_a_claim(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Claim, "expect", None)


def messages_are_acknowledged_before_they_are_handled(patch: pytest.MonkeyPatch) -> None:
    conclude = Delivery.conclude

    async def eagerly(self: Delivery, message: Message, *rest: Any) -> None:
        await message.ack()
        await conclude(self, message, *rest)

    patch.setattr(Delivery, "conclude", eagerly)


def calls_that_were_answered_are_executed_again(patch: pytest.MonkeyPatch) -> None:
    async def never(*_: Any) -> None:
        return None

    patch.setattr(ToolHost, "_answered_before", never)


def what_was_handled_is_purged_by_its_subject(patch: pytest.MonkeyPatch) -> None:
    async def purge(self: JetStream, stream: Stream, *sequences: int) -> None:
        for sequence in sequences:
            if (found := await self.at(stream, sequence)) is not None:
                await self.purge(stream, found.subject)

    patch.setattr(JetStream, "delete", purge)


def a_run_is_dropped_while_it_works(patch: pytest.MonkeyPatch) -> None:
    def idle(*_: Any) -> nullcontext[None]:
        return nullcontext()

    patch.setattr(LiveRun, "busy", idle)


PLANTS: list[Plant] = [
    records_are_written_without_a_claim,
    messages_are_acknowledged_before_they_are_handled,
    calls_that_were_answered_are_executed_again,
    what_was_handled_is_purged_by_its_subject,
    a_run_is_dropped_while_it_works,
]


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.__name__)
def test_a_planted_fault_is_found(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    undisturbed()
    plant(monkeypatch)

    assert any(examine(seed) is not None for seed in SEEDS)
