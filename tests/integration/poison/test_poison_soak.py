"""R10 at full size: ten thousand bad messages among good runs, while every part of the platform is killed in turn."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest

from towpath import Client
from towpath_chassis.errors import AlreadyWrittenError, UnconfirmedError
from towpath_chassis.jetstream import JetStream
from towpath_chassis.letters import Letter, letter_at
from towpath_cli.embedded import ServerStartError
from towpath_schemas.streams import REDRIVEN
from towpath_testkit.dead_letters import all_letters
from towpath_testkit.poison import Poison, every_poison
from towpath_testkit.settled import until
from towpath_testkit.stage import PARTS, Stage

pytestmark = [pytest.mark.live, pytest.mark.soak, pytest.mark.timeout(0)]

BATCHES = 130
"""Of some eighty messages each."""
LARGE = ("large", "many-faults")
LARGE_EVERY = 10
KILL_EVERY_S = 4.0
PATIENCE_S = 300
"""A request that one dying router after the other had in hand is late, not lost."""
RECOVERED_WITHIN_S = 90
"""Of what the last kill struck, some is only delivered again when the broker has waited for its acknowledgement."""
SERVICE = "poison_app"
Place = tuple[str, int]


@pytest.fixture
def stage(tmp_path: Path) -> Generator[Stage]:
    started = Stage(Path(__file__).with_name("poison_app.py"), tmp_path, settings={"max_attempts": "3"})
    asyncio.run(started.put_up())
    try:
        yield started
    finally:
        asyncio.run(started.take_down())


@asynccontextmanager
async def killing(stage: Stage, seed: int) -> AsyncGenerator[None]:
    """Kill one part after the other until the end of the block."""
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret

    async def kill_for_ever() -> None:
        while True:
            await asyncio.sleep(KILL_EVERY_S)
            part = chance.choice(PARTS)
            await asyncio.shield(asyncio.ensure_future(_kill_once(stage, part)))

    task = asyncio.create_task(kill_for_ever())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _kill_once(stage: Stage, part: str) -> None:
    """Kill a part, and start it until it stands, as whatever looks after processes does."""
    await stage.kill(part)
    while True:
        try:
            await stage.start(part)
        except ServerStartError:  # the broker was too busy to answer it in time
            await asyncio.sleep(1)
        else:
            return


async def publish_surely(js: JetStream, poison: Poison) -> Place:
    """Publish a message however often the broker dies; tell where it stands."""
    message_id = uuid4().hex
    while True:
        try:
            headers = poison.headers or None
            stored = await js.publish(poison.subject, poison.body, headers=headers, message_id=message_id)
        except UnconfirmedError:
            await asyncio.sleep(0.1)
        except AlreadyWrittenError:
            found = await until(lambda: js.last(poison.stream, poison.subject), bool)
            return poison.stream.name, found.sequence if found else 0
        else:
            return poison.stream.name, stored.sequence


async def serve_for_ever(client: Client, served: list[object]) -> None:
    while True:
        served.append(await client.run("welcome", {"name": "Ada"}, timeout_s=PATIENCE_S))
        served.append(await client.run("shop", {"key": uuid4().hex}, timeout_s=PATIENCE_S))


async def _letters(js: JetStream, count: int) -> list[Letter]:
    return await until(lambda: all_letters(js), lambda found: len(found) >= count, deadline_s=300)


def _places(letters: list[Letter]) -> Counter[Place]:
    return Counter((one.letter.stream, one.letter.sequence) for one in letters)


@pytest.mark.parametrize("seed", [1, 2], ids=lambda seed: f"seed-{seed}")
async def test_ten_thousand_bad_messages_end_in_dead_once_each_whatever_is_killed(
    stage: Stage, seed: int
) -> None:
    published: dict[Place, Poison] = {}
    served: list[object] = []
    async with Client(stage.nats_url, patience_s=PATIENCE_S) as client:
        js = client._connected
        serving = asyncio.create_task(serve_for_ever(client, served))
        async with killing(stage, seed):
            for batch in range(BATCHES):
                for one in every_poison(SERVICE, batch):
                    if one.kind not in LARGE or batch % LARGE_EVERY == 0:
                        published[await publish_surely(js, one)] = one
            kept = await _letters(js, len(published))
        served_meanwhile = len(served)
        await until(
            lambda: asyncio.sleep(0, len(served)),
            lambda count: count > served_meanwhile + 10,
            deadline_s=RECOVERED_WITHIN_S,
        )
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving

        assert _places(kept) == Counter(published.keys())
        assert served_meanwhile > 0
        assert set(served) == {"hello Ada", 1}
        await assert_whole(js, kept, published)
        async with killing(stage, seed + 1):
            await assert_redriven_once(client, js, kept)


async def assert_whole(js: JetStream, kept: list[Letter], published: dict[Place, Poison]) -> None:
    for place, letter in kept:
        meant = published[letter.stream, letter.sequence]
        whole = await letter_at(js, place)
        assert whole is not None
        assert (whole.raw, whole.subject) == (meant.body, meant.subject)
        assert meant.says in letter.reason


async def assert_redriven_once(client: Client, js: JetStream, kept: list[Letter]) -> None:
    """Redrive all of them: nothing was mended, so each dies once more, and only once."""
    again = {stream.name for stream in REDRIVEN}
    wanted = {one.place for one in kept if one.letter.stream in again}

    done = await client.dead.redrive_all()

    after = await _letters(js, len(kept) + len(wanted))
    redriven = Counter(
        [await until(partial(_message_id, js, one), lambda said: True) for one in after[len(kept) :]]
    )
    assert set(done) <= wanted  # the word on one that a dying router did may be lost
    assert len(after) == len(kept) + len(wanted)
    assert redriven == Counter({f"redrive:{one.letter.letter_id}": 1 for one in kept if one.place in wanted})


async def _message_id(js: JetStream, letter: Letter) -> str:
    whole = await letter_at(js, letter.place)
    return whole.headers.get("Nats-Msg-Id", "") if whole else ""
