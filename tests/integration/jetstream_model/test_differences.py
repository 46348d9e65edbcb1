"""The model of JetStream that simulations run on says and does what the real server says and does."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping

import pytest

from towpath_testkit.model_check.operations import KINDS
from towpath_testkit.model_check.playing import Score, Verdict, compare, scores
from towpath_testkit.servers import servers

pytestmark = pytest.mark.live

SEQUENCES, LENGTH = 24, 60
AT_ONCE = 60
UNDECIDED = 0.25
ALWAYS_DONE = {"pass_time"}


async def judged(scored: Mapping[int, Score]) -> Verdict:
    async with servers(redis=False) as running:
        return await compare(scored, running.nats.url)


def expect_no_difference(verdict: Verdict, *, of: int) -> None:
    assert not verdict.differences, "\n\n".join(map(str, verdict.differences))
    assert len(verdict.undecided) <= of * UNDECIDED, f"the machine was too busy to tell: {verdict.undecided}"


def seen(scored: Iterable[Score]) -> Counter[tuple[str, bool | None]]:
    return Counter((done.operation.kind, done.succeeded) for score in scored for done in score.outcomes)


@pytest.mark.timeout(240)
def test_the_model_does_what_the_server_does() -> None:
    scored = scores(range(SEQUENCES), length=LENGTH)

    expect_no_difference(asyncio.run(judged(scored)), of=SEQUENCES)

    counted = seen(scored.values())
    missing = [(kind, done) for kind in KINDS for done in (True, False) if not counted[kind, done]]
    assert [kind for kind, _ in missing if kind not in ALWAYS_DONE] == []


@pytest.mark.soak
@pytest.mark.parametrize("first", range(0, 3_000, AT_ONCE))
def test_the_model_does_what_the_server_does_for_hours(first: int) -> None:
    scored = scores(range(first, first + AT_ONCE), length=100)

    expect_no_difference(asyncio.run(judged(scored)), of=AT_ONCE)
