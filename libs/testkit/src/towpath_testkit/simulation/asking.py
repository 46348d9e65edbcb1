"""A client: asks for runs, sends signals, decides and cancels, each until the platform has it."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Literal, NamedTuple

from towpath.client.client import Client
from towpath.errors import UnavailableError
from towpath_chassis.errors import BrokerError
from towpath_chassis.jetstream import JetStream
from towpath_chassis.service import connection
from towpath_schemas import identity, subjects
from towpath_schemas.approvals import ApprovalView
from towpath_schemas.journal import JournalRecord, StepSettled, read_record
from towpath_schemas.requests import SignalRequested
from towpath_schemas.streams import JOURNAL
from towpath_testkit.builders import TENANT, start_requested
from towpath_testkit.simulation.world import World

_ASK_AGAIN_S = 0.5
_PATIENCE_S = 300.0


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
    """A signal to a run that was asked for before; it is sent once the run exists, as others are refused.

    Attributes:
        number: Tells it from others of its name.
    """

    name: str
    payload: Any
    to: Request
    number: int = 0

    def message(self) -> tuple[str, bytes]:
        """Write it: a subject and a body."""
        signal_id = f"{self.name}-{self.number}-for-{self.to.key}"
        body = SignalRequested(name=self.name, payload=self.payload, signal_id=signal_id).to_body()
        return subjects.request(TENANT, "signal", self.to.run_id), body


class Cancel(NamedTuple):
    """The wish that a run ends, which was asked for before; it is sent once a step of it is done."""

    to: Request
    once_done: str


class Decide(NamedTuple):
    """A decision about the approval that a run asks for; it is made once the index of runs shows the approval."""

    to: Request
    decision: Literal["approved", "rejected"]
    by: str
    role: str


Asked = Request | Signal | Cancel | Decide


async def ask(world: World, asked: Sequence[Asked], *, pause_s: float) -> None:
    """Ask for one after the other, up to `pause_s` virtual seconds apart; decide and cancel beside that."""
    async with (
        connection(world.broker.url, name="client") as (_, js),
        Client.over(js, patience_s=_PATIENCE_S) as client,
        asyncio.TaskGroup() as beside,
    ):
        for one in asked:
            await asyncio.sleep(world.chance.uniform(0, pause_s))
            match one:
                case Request():
                    await _until_stored(js, *one.message())
                case Signal():
                    await _until(lambda to=one.to: bool(_records(world, to)))
                    await _until_stored(js, *one.message())
                case Cancel():
                    beside.create_task(_cancel(world, client, one))
                case Decide():
                    beside.create_task(_decide(client, one))


async def _cancel(world: World, client: Client, wish: Cancel) -> None:
    await _until(lambda: any(_is_step(record, wish.once_done) for record in _records(world, wish.to)))
    await client.cancel(wish.to.run_id, "enough", tenant=TENANT)


def _is_step(record: JournalRecord, name: str) -> bool:
    return isinstance(record, StepSettled) and record.result == name


async def _decide(client: Client, decision: Decide) -> None:
    while (approval := await _shown(client, decision.to.run_id)) is None:  # noqa: ASYNC110 - time costs nothing
        await asyncio.sleep(_ASK_AGAIN_S)
    await client.decide(approval, decision.decision, approver=decision.by, role=decision.role, tenant=TENANT)


async def _shown(client: Client, run_id: str) -> ApprovalView | None:
    """Find the approval that a run asks for, as far as the index of runs knows now."""
    with suppress(UnavailableError):
        async for approval in client.approvals(tenant=TENANT, run_id=run_id):
            return approval
    return None


def _records(world: World, request: Request) -> list[JournalRecord]:
    journal = world.broker.streams[JOURNAL.name].store
    return [read_record(one.body) for one in journal.matching(subjects.journal_of(request.run_id))]


async def _until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110 - time costs nothing
        await asyncio.sleep(_ASK_AGAIN_S)


async def _until_stored(js: JetStream, subject: str, body: bytes) -> None:
    while True:
        with suppress(BrokerError):
            await js.publish(subject, body)
            return
        await asyncio.sleep(_ASK_AGAIN_S)
