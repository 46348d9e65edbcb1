"""The model of JetStream that simulations run on says and does what the real server says and does."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from towpath_testkit.model_check.operations import KINDS
from towpath_testkit.model_check.playing import Score, Verdict, compare, scores
from towpath_testkit.servers import servers

pytestmark = pytest.mark.live

SEQUENCES, LENGTH = 24, 60
AT_ONCE, LONG = 60, 100
FOUND = (564,)
"""Long sequences that have shown a difference: how the moment at which a schedule fires next is written."""
UNDECIDED = 0.25
ALWAYS_DONE = {"pass_time"}
REFUSED_BATCHES = {10071, 10077, 10164, 10174, 10175, 10176, 10179, 10199, 10201}
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - a directory of its own is made in it


async def judged(scored: Mapping[int, Score]) -> Verdict:
    # A batch in a file costs several waits for the disk: where there is one that never waits, the server is in time
    with TemporaryDirectory(dir=MEMORY) as directory:
        async with servers(Path(directory), redis=False) as running:
            return await compare(scored, running.nats.url)


def expect_no_difference(verdict: Verdict, *, of: int) -> None:
    assert not verdict.differences, "\n\n".join(map(str, verdict.differences))
    assert len(verdict.undecided) <= of * UNDECIDED, f"the machine was too busy to tell: {verdict.undecided}"


def seen(scored: Iterable[Score]) -> Counter[tuple[str, bool | None]]:
    return Counter((done.operation.kind, done.succeeded) for score in scored for done in score.outcomes)


def refusals(scored: Iterable[Score], kind: str) -> set[int]:
    of_kind = (done for score in scored for done in score.outcomes if done.operation.kind == kind)
    answers = (one for done in of_kind for place, said in done.seen if place == "stored" for one in said)
    return {one["error"]["err_code"] for one in answers if "error" in one}


@pytest.mark.timeout(240)
def test_the_model_does_what_the_server_does() -> None:
    scored = scores(range(SEQUENCES), length=LENGTH) | scores(FOUND, length=LONG)

    expect_no_difference(asyncio.run(judged(scored)), of=len(scored))

    counted = seen(scored.values())
    missing = [(kind, done) for kind in KINDS for done in (True, False) if not counted[kind, done]]
    assert [kind for kind, _ in missing if kind not in ALWAYS_DONE] == []
    assert refusals(scored.values(), "batch") >= REFUSED_BATCHES


@pytest.mark.soak
@pytest.mark.parametrize("first", range(0, 3_000, AT_ONCE))
def test_the_model_does_what_the_server_does_for_hours(first: int) -> None:
    scored = scores(range(first, first + AT_ONCE), length=LONG)

    expect_no_difference(asyncio.run(judged(scored)), of=AT_ONCE)
