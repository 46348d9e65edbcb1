"""A gate in the broker: whoever moves it reads the same, its log stays short, and it is forgotten where nobody is."""

import asyncio
import random
from collections.abc import AsyncGenerator
from datetime import datetime, timedelta

import pytest

from towpath_chassis.jetstream import JetStream
from towpath_chassis.service import connection
from towpath_chassis.streams import ensure_streams
from towpath_router.catalogue import Catalogue
from towpath_router.gates.gate import Gate
from towpath_router.gates.gates import TICK, Gates
from towpath_router.gates.log import GateLog
from towpath_router.gates.rulings import Rulings
from towpath_router.gates.state import GateState
from towpath_schemas import subjects
from towpath_schemas.components import ComponentDescribed, ServiceRegistered
from towpath_schemas.gates import Due, Ruling, RunEntered, RunLeft
from towpath_schemas.limits import ConcurrencyLimit, Limit, RateLimit
from towpath_schemas.streams import GATES, INBOX
from towpath_testkit.builders import SERVICE
from towpath_testkit.servers import Servers
from towpath_testkit.settled import messages_in

pytestmark = pytest.mark.live

GATE = "gate-1"
RULING = Ruling(limit=ConcurrencyLimit(limit=3), component="greet", service=SERVICE)


class Replica:
    """A router, as far as gates are concerned."""

    def __init__(self, js: JetStream, ruling: Ruling = RULING) -> None:
        self.catalogue = Catalogue(js)
        self.gates = Gates(js, Rulings(self.catalogue))
        self._ruling = ruling

    @property
    def gate(self) -> Gate:
        return self.gates.of(GATE)

    async def enter(self, run_id: str) -> tuple[Due, ...]:
        return await self._done(RunEntered(run_id=run_id, asked_at=0.0))

    async def leave(self, run_id: str) -> tuple[Due, ...]:
        return await self._done(RunLeft(run_id=run_id))

    async def _done(self, event: RunEntered | RunLeft) -> tuple[Due, ...]:
        decided = await self.gate.tell(event, ruling=self._ruling)
        for due in decided.due:
            self.gate.done(due)
        return decided.due


@pytest.fixture
async def js(broker: Servers) -> AsyncGenerator[JetStream]:
    async with connection(broker.nats.url, name="test") as (_, js):
        await ensure_streams(js)
        yield js


async def kept(js: JetStream) -> GateState:
    return (await GateLog(js, GATE).load()).state


def passes(*run_ids: str) -> tuple[Due, ...]:
    return tuple(Due(act="pass", run_id=run_id) for run_id in run_ids)


async def test_of_many_who_come_at_once_to_two_replicas_as_many_pass_as_there_are_places(
    js: JetStream,
) -> None:
    one, other = Replica(js), Replica(js)

    decided = await asyncio.gather(
        *((one if number % 2 else other).enter(f"run-{number}") for number in range(200))
    )

    passed = [due.run_id for some in decided for due in some]
    state = await kept(js)
    assert len(set(passed)) == 3
    assert set(state.inside) == set(passed)
    assert len(state.line) == 197


async def test_those_who_come_while_a_record_is_on_its_way_share_the_next_one(js: JetStream) -> None:
    replica = Replica(js)

    await asyncio.gather(*(replica.enter(f"run-{number}") for number in range(200)))

    assert await messages_in(js, GATES) < 20


async def test_each_who_leaves_lets_the_next_one_pass_whoever_hears_of_it(js: JetStream) -> None:
    replicas = Replica(js), Replica(js)
    for number in range(20):
        await replicas[number % 2].enter(f"run-{number}")

    passed = [await replicas[(number // 2) % 2].leave(f"run-{number}") for number in range(17)]

    assert passed == [passes(f"run-{number + 3}") for number in range(17)]


async def test_who_tells_it_again_is_told_what_nobody_has_done_yet(js: JetStream) -> None:
    one, other = Replica(js), Replica(js)
    entered = RunEntered(run_id="run-1", asked_at=0.0)

    first = await one.gate.tell(entered, ruling=RULING)
    again = await one.gate.tell(entered, ruling=RULING)
    elsewhere = await other.gate.tell(entered, ruling=RULING)
    one.gate.let_go(*first.due)
    once_more = await one.gate.tell(entered, ruling=RULING)
    one.gate.done(once_more.due[0])

    assert first == (passes("run-1"), True)
    assert again == ((), False)
    assert elsewhere == once_more == (passes("run-1"), False)
    assert await one.gate.tell(entered, ruling=RULING) == ((), False)


async def test_its_log_stays_short_and_says_the_same(js: JetStream) -> None:
    one, other = Replica(js), Replica(js)
    for number in range(5):
        await one.enter(f"stays-{number}")
    for number in range(300):
        replica = one if number % 3 else other
        await replica.enter(f"run-{number}")
        await replica.leave(f"run-{number}")

    assert await messages_in(js, GATES) < 300
    state = await kept(js)
    assert list(state.inside) == ["stays-0", "stays-1", "stays-2"]
    assert [one.run_id for one in state.line] == ["stays-3", "stays-4"]
    assert await Replica(js).leave("stays-0") == passes("stays-3")


async def test_one_where_nobody_is_is_forgotten_and_goes_on_for_all_who_knew_it(js: JetStream) -> None:
    one, other, third = Replica(js), Replica(js), Replica(js)
    await other.enter("run-1")
    await third.enter("run-2")
    await one.leave("run-1")
    await one.gates.tidy(unused_s=0)
    not_yet = await messages_in(js, GATES)
    await one.leave("run-2")
    await one.gates.tidy(unused_s=0)

    assert not_yet > 0
    assert await messages_in(js, GATES) == 0
    assert await other.enter("run-3") == passes("run-3")
    assert await third.enter("run-4") == passes("run-4")
    assert set((await kept(js)).inside) == {"run-3", "run-4"}


async def test_one_with_something_undone_is_not_forgotten(js: JetStream) -> None:
    replica = Replica(js)
    await replica.gate.tell(RunEntered(run_id="run-1", asked_at=0.0), ruling=RULING)
    await replica.leave("run-1")
    await replica.gate.tell(RunEntered(run_id="run-2", asked_at=0.0), ruling=RULING)

    await replica.gates.tidy(unused_s=0)

    assert list((await kept(js)).due) == [*passes("run-2")]


async def test_a_moment_that_another_replica_has_replaced_is_told_to_the_broker_again(
    js: JetStream,
) -> None:
    slow, fast = RateLimit(limit=1, per_s=7200), RateLimit(limit=1, per_s=3600)
    one, other = (
        Replica(js, Ruling(limit=rate, component="greet", service=SERVICE)) for rate in (slow, fast)
    )
    await register(js, slow)
    await one.catalogue.load()
    await one.enter("run-1")
    await one.enter("run-2")
    by_slow = await woken_at(js)
    await register(js, fast)
    await other.catalogue.load()
    await other.enter("run-3")
    by_fast = await woken_at(js)

    await one.enter("run-4")  # it has not heard of the other rule yet

    assert by_fast == by_slow - timedelta(hours=1)
    assert await woken_at(js) == by_slow


async def register(js: JetStream, limit: Limit) -> None:
    described = ComponentDescribed(name="greet", kind="workflow", limits=(limit,))
    registered = ServiceRegistered(service=SERVICE, version="1", components=(described,))
    await js.publish(subjects.catalogue(SERVICE), registered.to_body())


async def woken_at(js: JetStream) -> datetime:
    armed = await js.last(INBOX, subjects.timer(GATE, TICK))
    assert armed is not None
    return datetime.fromisoformat(armed.headers["Nats-Schedule"].removeprefix("@at "))


@pytest.mark.parametrize("seed", range(4))
async def test_replicas_that_tidy_and_start_anew_agree_with_one_that_never_does(
    js: JetStream, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    replicas = [Replica(js) for _ in range(3)]
    inside: list[str] = []
    line: list[str] = []
    for number in range(150):
        replica, move = chance.choice(replicas), chance.random()
        if move < 0.1:
            replicas[chance.randrange(3)] = Replica(js)
        elif move < 0.2:
            await replica.gates.tidy(unused_s=0)
        elif move < 0.55 or not inside + line:
            line.append(f"run-{number}")
            await replica.enter(f"run-{number}")
        else:
            left = chance.choice(inside + line)
            (inside if left in inside else line).remove(left)
            await replica.leave(left)
        while line and len(inside) < 3:
            inside.append(line.pop(0))

        state = await kept(js)
        assert set(state.inside) == set(inside)
        assert [one.run_id for one in state.line] == line
