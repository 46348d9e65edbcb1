"""A client: asks for runs and sends signals, each until the broker has it."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from towpath_chassis.errors import BrokerError
from towpath_chassis.jetstream import JetStream
from towpath_chassis.service import connection
from towpath_schemas import identity, subjects
from towpath_schemas.requests import SignalRequested
from towpath_schemas.streams import JOURNAL
from towpath_testkit.builders import TENANT, start_requested
from towpath_testkit.simulation.world import World

_ASK_AGAIN_S = 0.5


class Request(NamedTuple):
    """A run that is asked for.

    Attributes:
        key: Its idempotency key.
    """

    component: str
    input: Any = None
    key: str = ""

    @property
    def run_id(self) -> str:
        """The id that the run has."""
        return identity.run_id(TENANT, self.component, self.key)

    def message(self) -> tuple[str, bytes]:
        """Write it: a subject and a body."""
        body = start_requested(input=self.input, idempotency_key=self.key).to_body()
        return subjects.request(TENANT, "start", self.component), body


class Signal(NamedTuple):
    """A signal to a run that was asked for before; it is sent once the run exists, as others are refused."""

    name: str
    payload: Any
    to: Request

    def message(self) -> tuple[str, bytes]:
        """Write it: a subject and a body."""
        signal_id = f"{self.name}-for-{self.to.key}"
        body = SignalRequested(name=self.name, payload=self.payload, signal_id=signal_id).to_body()
        return subjects.request(TENANT, "signal", self.to.run_id), body


Asked = Request | Signal


async def ask(world: World, asked: Sequence[Asked], *, pause_s: float) -> None:
    """Ask for one after the other, up to `pause_s` virtual seconds apart."""
    async with connection(world.broker.url, name="client") as (_, js):
        for one in asked:
            await asyncio.sleep(world.chance.uniform(0, pause_s))
            while isinstance(one, Signal) and not _exists(world, one.to):  # noqa: ASYNC110 - time costs nothing
                await asyncio.sleep(_ASK_AGAIN_S)
            await _until_stored(js, *one.message())


def _exists(world: World, request: Request) -> bool:
    journal = world.broker.streams[JOURNAL.name].store
    return bool(journal.matching(subjects.journal_entry(request.run_id, 0)))


async def _until_stored(js: JetStream, subject: str, body: bytes) -> None:
    while True:
        with suppress(BrokerError):
            await js.publish(subject, body)
            return
        await asyncio.sleep(_ASK_AGAIN_S)
