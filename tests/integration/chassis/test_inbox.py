"""Where events wait for their runs: each once, none in another's place."""

import pytest

from towpath_chassis.errors import FencedError
from towpath_chassis.inbox import keep, place_of
from towpath_chassis.jetstream import JetStream
from towpath_chassis.messages import Expect
from towpath_schemas import subjects
from towpath_schemas.attribution import Attribution
from towpath_schemas.calls import ControlSent, SignalSent, read_event
from towpath_schemas.streams import INBOX
from towpath_testkit.builders import answered
from towpath_testkit.settled import messages_in

pytestmark = pytest.mark.live

ACME = Attribution(tenant="acme")


def signal(signal_id: str, run_id: str = "run-1") -> SignalSent:
    return SignalSent(signal_id=signal_id, run_id=run_id, name="paid", attribution=ACME)


def test_each_kind_of_event_has_its_place() -> None:
    control = ControlSent(event_id="c", run_id="run-1", control="pause", attribution=ACME)

    assert place_of(signal("s")) == "inbox.v1.run-1.signal.s"
    assert place_of(control) == "inbox.v1.run-1.control.c"
    assert subjects.read_inbox(place_of(answered("a#0"))) == ("run-1", "result")


@pytest.mark.parametrize(
    "signal_id", ["a.b", "*", ">", "line\nbreak", "\u00fc" * 512, "\U0001f6a2" * 500, ""], ids=ascii
)
async def test_an_event_is_kept_whatever_its_id(js: JetStream, signal_id: str) -> None:
    for _ in range(2):
        await keep(js, signal(signal_id))

    (kept,) = await js.following(INBOX, subjects.inbox_of("run-1"), start=1)
    assert read_event(kept.body) == signal(signal_id)


async def test_one_signal_may_go_to_many_runs(js: JetStream) -> None:
    for run_id in ("run-1", "run-2", "run-1"):
        await keep(js, signal("s", run_id))

    assert await messages_in(js, INBOX) == 2


async def test_who_expects_to_be_the_first_is_told_that_somebody_was(js: JetStream) -> None:
    await keep(js, answered("a#0", 1), expect=Expect(0))

    with pytest.raises(FencedError):
        await keep(js, answered("a#0", 2), expect=Expect(0))
    await js.purge(INBOX, subjects.inbox_of("run-1"))
    assert (await keep(js, answered("a#0", 3), expect=Expect(0))).duplicate
