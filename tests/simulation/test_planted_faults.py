"""Faults that are planted in the platform are found: a check that cannot fail proves nothing.

Some are faults that simulations have found; the others are what the design is there to prevent.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from towpath.coordination import Saga
from towpath.engine.history import History
from towpath.runtime.tool_host import ToolHost
from towpath_chassis.delivery import Delivery
from towpath_chassis.jetstream import JetStream
from towpath_chassis.journal import Claim
from towpath_chassis.messages import Message, Part, Stored
from towpath_entity_store.entities import log, mailbox
from towpath_entity_store.entities.actors import Actors
from towpath_entity_store.entities.projection import Copy
from towpath_entity_store.runs.following import RunsFollower
from towpath_router.gates import state
from towpath_router.gates.rules import ALWAYS
from towpath_schemas.streams import Stream
from towpath_testkit.simulation.examining import examine, undisturbed
from towpath_testkit.simulation.workload import kind_of

SEEDS = 40
"""So many are tried; from the first one on, each fault is found soon."""
Plant = Callable[[pytest.MonkeyPatch], None]


def saying(what: object) -> Callable[..., object]:
    """Make a function that says the same whatever it is asked."""

    def say(*_: object) -> object:
        return what

    return say


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


def attempts_of_steps_that_failed_are_forgotten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(History, "failed_attempt_of", saying(None))


def what_was_handled_is_purged_by_its_subject(patch: pytest.MonkeyPatch) -> None:
    async def purge(self: JetStream, stream: Stream, *sequences: int) -> None:
        for sequence in sequences:
            if (found := await self.at(stream, sequence)) is not None:
                await self.purge(stream, found.subject)

    patch.setattr(JetStream, "delete", purge)


def calls_of_entities_are_applied_however_often_they_come(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(mailbox, "_is_repeated", saying(what=False))


def records_of_entities_are_written_whoever_wrote_before(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(log, "Expect", saying(None))


def a_transaction_is_written_in_parts(patch: pytest.MonkeyPatch) -> None:
    async def one_by_one(self: JetStream, parts: Sequence[Part]) -> list[Stored]:
        stored: list[Stored] = []
        for part in parts:
            stored.append(await self.publish(part.subject, part.body, expect=part.expect))
            await asyncio.sleep(0.3)
        return stored

    patch.setattr(JetStream, "publish_together", one_by_one)


def a_copy_is_believed_however_old_it_is(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Copy, "is_of", saying(what=True))
    patch.setattr(Actors, "committed", saying(None))


def an_index_that_was_flushed_is_not_built_from_the_beginning(patch: pytest.MonkeyPatch) -> None:
    async def build_nothing(self: RunsFollower) -> None:
        await self._index.end_building()

    patch.setattr(RunsFollower, "_build", build_nothing)


def nothing_is_undone(patch: pytest.MonkeyPatch) -> None:
    async def forget(self: Saga, _reason: BaseException | None) -> None:
        self._undo.clear()

    patch.setattr(Saga, "_compensate", forget)


def gates_are_open(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(state, "opens_at", saying(ALWAYS))


PLANTS: dict[Plant, int] = {
    records_are_written_without_a_claim: 66,
    messages_are_acknowledged_before_they_are_handled: 62,
    calls_that_were_answered_are_executed_again: 66,
    attempts_of_steps_that_failed_are_forgotten: 60,
    what_was_handled_is_purged_by_its_subject: 88,
    calls_of_entities_are_applied_however_often_they_come: 19,
    records_of_entities_are_written_whoever_wrote_before: 61,
    a_transaction_is_written_in_parts: 73,
    a_copy_is_believed_however_old_it_is: 61,
    an_index_that_was_flushed_is_not_built_from_the_beginning: 68,
    nothing_is_undone: 61,
    gates_are_open: 63,
}
"""Each with the first seed to try: even ones simulate runs that are alone, odd ones what runs share."""


@pytest.mark.parametrize(("plant", "first"), PLANTS.items(), ids=lambda one: getattr(one, "__name__", ""))
def test_a_planted_fault_is_found(plant: Plant, first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    undisturbed(kind_of(first))
    plant(monkeypatch)

    assert any(examine(seed) is not None for seed in range(first, first + 2 * SEEDS, 2))
