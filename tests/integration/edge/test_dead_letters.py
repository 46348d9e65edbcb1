"""Dead letters and streams, as a program outside the platform and as an operator at a terminal see them."""

import asyncio
import json
import re
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from typer.testing import CliRunner, Result

from towpath import Client, InvalidInputError, RequestRefusedError, UnknownLetterError
from towpath_chassis.jetstream import JetStream
from towpath_chassis.listening import listening
from towpath_chassis.reading import Got
from towpath_cli.app import app
from towpath_cli.plan import Plan
from towpath_schemas import subjects
from towpath_schemas.attribution import AttributionClaim
from towpath_schemas.dead import LetterView
from towpath_schemas.streams import AUDIT, JOURNAL, TOOLS
from towpath_testkit.dead_letters import give_up
from towpath_testkit.settled import until

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="module")]

NOWHERE = subjects.call("nowhere", "add")
"""A call that no runner of this platform takes: redriven, it stays where a test finds it."""


@pytest.fixture
def js(client: Client) -> JetStream:
    return client._connected


@pytest.fixture
def tenant() -> str:
    return f"tenant-{uuid4().hex[:8]}"


async def towpath(plan: Plan, *arguments: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, app, [*arguments, "--url", plan.nats_url])


async def given_up(
    js: JetStream, tenant: str, count: int, *, reason: str = "the runner is broken"
) -> list[int]:
    """Leave letters about calls; return their places."""
    base = int(uuid4().hex[:8], 16)
    return [
        await give_up(js, NOWHERE, sequence=base + number, tenant=tenant, reason=reason)
        for number in range(count)
    ]


async def calls(js: JetStream, tenant: str) -> int:
    found = await js.following(TOOLS, NOWHERE, start=1, limit=1_000)
    return sum(tenant.encode() in message.body for message in found)


# --- Dead letters, by the client ----------------------------------------------------------------------


async def test_letters_are_listed_newest_first_as_far_as_they_are_meant(
    client: Client, js: JetStream, tenant: str
) -> None:
    places = await given_up(js, tenant, 5)
    odd = await given_up(js, tenant, 1, reason="Out of Luck")
    await given_up(js, "somebody-else", 1)

    every = await client.dead.letters(tenant=tenant)
    newest = await client.dead.letters(tenant=tenant, limit=2)
    unlucky = await client.dead.letters(
        tenant=tenant, reason="out of LUCK", stream="TOOLS", subject="tools.>"
    )
    later = datetime.now(UTC) + timedelta(hours=1)  # noqa: TID251 - the broker's clock is this machine's

    assert [view.place for view in every] == [*odd, *places[::-1]]
    assert [view.place for view in newest] == [*odd, places[-1]]
    assert [view.place for view in unlucky] == odd
    assert await client.dead.letters(tenant=tenant, stream="RUNS") == ()
    assert await client.dead.letters(tenant=tenant, subject="runs.>") == ()
    assert await client.dead.letters(tenant=tenant, since=later) == ()
    assert len(await client.dead.letters(tenant=tenant, since=later - timedelta(hours=2))) == 6


async def test_a_letter_is_redriven_once_and_shows_when_and_for_whom(
    client: Client, js: JetStream, tenant: str
) -> None:
    (place,) = await given_up(js, tenant, 1)

    first = await client.dead.redrive(place, attribution=AttributionClaim(user_id="operator-1"))
    again = await client.dead.redrive(place)

    view = await client.dead.letter(place)
    assert (first, again, await calls(js, tenant)) == (True, False, 1)
    assert view.redriven_by is not None
    assert view.redriven_at is not None
    assert (view.redriven_by.tenant, view.redriven_by.user_id) == (tenant, "operator-1")
    assert view.redriven_at >= view.letter.at
    assert await client.dead.letters(tenant=tenant) == ()
    assert [one.place for one in await client.dead.letters(tenant=tenant, with_redriven=True)] == [place]


async def test_a_redrive_is_in_the_audit_stream(client: Client, js: JetStream, tenant: str) -> None:
    begun = datetime.now(UTC) - timedelta(seconds=5)  # noqa: TID251 - the broker's clock is this machine's
    (place,) = await given_up(js, tenant, 1)

    await client.dead.redrive(place, attribution=AttributionClaim(user_id="operator-1"))
    async with asyncio.timeout(10), aclosing(client.audit(tenant=tenant, kind="letter", since=begun)) as told:
        event = await anext(told)

    assert (event.action, event.target, event.key) == ("redriven", NOWHERE, str(place))
    assert event.attribution.user_id == "operator-1"


async def test_all_letters_of_all_tenants_that_are_meant_are_redriven(client: Client, js: JetStream) -> None:
    tenants = [f"many-{uuid4().hex[:8]}" for _ in range(3)]
    reason = f"trouble {uuid4().hex}"
    places = [place for one in tenants for place in await given_up(js, one, 90, reason=reason)]
    places += await given_up(js, tenants[0], 230, reason=reason)
    other = await given_up(js, tenants[0], 1)

    done = await client.dead.redrive_all(reason=reason)
    again = await client.dead.redrive_all(reason=reason)

    assert (list(done), again) == (sorted(places), ())
    assert [view.place for view in await client.dead.letters(tenant=tenants[0])] == other


async def test_a_letter_that_is_not_there_is_not_found(client: Client) -> None:
    for place in (0, -1, 10**15):
        with pytest.raises(UnknownLetterError, match="towpath dead list"):
            await client.dead.letter(place)
        with pytest.raises(UnknownLetterError):
            await client.dead.redrive(place)


async def test_what_cannot_be_redriven_says_why(client: Client, js: JetStream, tenant: str) -> None:
    place = await give_up(js, subjects.journal_entry("run-1", 1), stream=JOURNAL, tenant=tenant)

    with pytest.raises(RequestRefusedError, match="stays where it is"):
        await client.dead.redrive(place)


# --- Replay, by the client ------------------------------------------------------------------------------


async def replayed(client: Client, js: JetStream, stream: str, **asked: object) -> list[Got]:
    """Replay into a subject of the test's own; return what came there."""
    came: list[Got] = []
    into = f"replays.{uuid4().hex}"

    async def take(message: object) -> None:
        came.append(Got(message.subject, 0, message.data, message.headers or {}))  # type: ignore[attr-defined]

    subscription = await js.subscribe(into, take)
    done = await client.streams.replay(stream, into=into, **asked)  # pyright: ignore[reportArgumentType]
    await until(lambda: asyncio.sleep(0, len(came)), lambda count: count == done.count)
    await js.unsubscribe(subscription)
    return came


def places(came: list[Got]) -> list[int]:
    return [int(got.headers["Towpath-Sequence"]) for got in came]


async def test_a_stream_is_replayed_in_its_order_as_it_was(client: Client, js: JetStream) -> None:
    run_id = await client.start("welcome", {"name": "Ada"})
    await client.result(run_id, 10)
    stored = await js.following(AUDIT, "audit.v1.>", start=1, limit=1_000)

    came = await replayed(client, js, "AUDIT")

    told = {message.sequence: message for message in stored}
    assert places(came)[: len(stored)] == list(told)
    for got in came[: len(stored)]:
        original = told[int(got.headers["Towpath-Sequence"])]
        assert (got.body, got.headers["Towpath-Subject"]) == (original.body, original.subject)
        assert got.headers["ce-id"] == original.headers["ce-id"]
        assert (got.headers["Towpath-Stream"], got.headers["Towpath-Time"]) == ("AUDIT", original.at)
        assert not any(name.startswith("Nats-") for name in got.headers)


async def test_a_replay_begins_where_and_takes_what_it_is_told(
    client: Client, js: JetStream, tenant: str
) -> None:
    for _ in range(3):
        await client.run("welcome", {"name": "Ada"}, tenant=tenant, timeout_s=10)
    mine = subjects.audit_filter(tenant=tenant)
    stored = await until(lambda: js.following(AUDIT, mine, start=1), lambda found: len(found) == 12)
    every = [message.sequence for message in stored]
    since = datetime.fromisoformat(stored[8].at)
    later = [message.sequence for message in stored if datetime.fromisoformat(message.at) >= since]
    assert not set(every[:4]) & set(later)

    assert places(await replayed(client, js, "AUDIT", subject=mine)) == every
    assert places(await replayed(client, js, "AUDIT", subject=mine, from_sequence=every[4])) == every[4:]
    assert places(await replayed(client, js, "AUDIT", subject=mine, limit=7)) == every[:7]
    assert places(await replayed(client, js, "AUDIT", subject=mine, since=since)) == later
    assert places(await replayed(client, js, "AUDIT", subject="audit.v1.nobody.>")) == []
    assert places(await replayed(client, js, "AUDIT", from_sequence=10**9)) == []


async def test_a_replay_into_another_stream_is_stored_there_once_and_in_order(
    client: Client, js: JetStream, tenant: str
) -> None:
    await given_up(js, tenant, 150)
    name = f"MINE-{uuid4().hex[:8]}"
    config = {"name": name, "subjects": [f"{name}.>"], "allow_direct": True}
    await js.api(f"STREAM.CREATE.{name}", config)

    done = await client.streams.replay("DEAD", into=f"{name}.letters")
    again = await client.streams.replay(name, into=f"{name}.again")

    mine = TOOLS.model_copy(update={"name": name})
    stored = await js.following(mine, f"{name}.letters", start=1, limit=10_000)
    sequences = [int(message.headers["Towpath-Sequence"]) for message in stored]
    assert (len(sequences), again.count) == (done.count, done.count)
    assert (sequences, sequences[0], sequences[-1]) == (sorted(set(sequences)), done.first, done.last)


@pytest.mark.parametrize(
    ("stream", "asked", "says"),
    [
        ("NOWHERE", {}, "REQUESTS"),
        ("A.B", {}, "there is no stream"),
        ("AUDIT", {"into": "requests.v1.acme.start.greet"}, "redrive"),
        ("AUDIT", {"into": "$JS.API.STREAM.PURGE.AUDIT"}, "platform's own"),
        ("AUDIT", {"into": "a b"}, "replay.audit"),
        ("AUDIT", {"into": "a.*"}, "replay.audit"),
        ("AUDIT", {"into": "a..b"}, "replay.audit"),
        ("AUDIT", {"into": "ä" * 1_500}, "a subject of 3,000 bytes is longer than the broker takes"),
        ("AUDIT", {"subject": "a b"}, "no pattern"),
        ("AUDIT", {"subject": "a.>.b"}, "no pattern"),
    ],
)
async def test_a_replay_that_cannot_be_says_why(
    client: Client, stream: str, asked: dict[str, str], says: str
) -> None:
    with pytest.raises(InvalidInputError, match=re.escape(says)):
        await client.streams.replay(stream, **{"into": "mine", **asked})  # pyright: ignore[reportArgumentType]


# --- At a terminal ----------------------------------------------------------------------------------------


async def test_letters_are_listed_shown_and_redriven_at_a_terminal(
    plan: Plan, js: JetStream, tenant: str
) -> None:
    place, other = await given_up(js, tenant, 2)

    listed = await towpath(plan, "dead", "list", "--tenant", tenant)
    as_json = await towpath(plan, "dead", "list", "--tenant", tenant, "--json")
    shown = await towpath(plan, "dead", "show", str(place))
    redriven = await towpath(plan, "dead", "redrive", str(place), "--user", "operator-1")
    again = await towpath(plan, "dead", "redrive", str(place))
    rest = await towpath(plan, "dead", "redrive", "--all", "--tenant", tenant)
    shown_after = await towpath(plan, "dead", "show", str(place))
    empty = await towpath(plan, "dead", "list", "--tenant", tenant)

    assert "the runner is broken" in listed.stdout
    assert [LetterView.from_body(line.encode()).place for line in as_json.stdout.splitlines()] == [
        other,
        place,
    ]
    assert NOWHERE in shown.stdout
    assert json.dumps(tenant) in shown.stdout
    assert (redriven.stderr, again.stderr) == (
        f"{place} was redriven\n",
        f"{place} had been redriven before\n",
    )
    assert rest.stdout == f"{other}\n"
    assert "operator-1" in shown_after.stdout
    assert empty.stderr == "no such letters\n"
    assert await calls(js, tenant) == 2


async def test_a_stream_is_replayed_at_a_terminal(plan: Plan, js: JetStream, tenant: str) -> None:
    (place,) = await given_up(js, tenant, 1)
    came = asyncio.Event()
    into = f"replays.{uuid4().hex}"

    async with listening(js, into, lambda _subject, _body: came.set()):
        ended = await towpath(
            plan, "stream", "replay", "DEAD", "--from-seq", str(place), "--limit", "1", "--into", into
        )
        async with asyncio.timeout(5):
            await came.wait()

    assert ended.stderr == f"1 messages of DEAD were replayed, {place} through {place}\n"


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (["dead", "show", "999999999"], "towpath dead list"),
        (["dead", "redrive"], "--all"),
        (["dead", "redrive", "1", "--all"], "--all"),
        (["dead", "redrive", "1", "--stream", "RUNS"], "--all"),
        (["stream", "replay", "NOWHERE", "--into", "mine"], "AUDIT"),
        (["stream", "replay", "AUDIT", "--into", "journal.v1.run.0.0"], "redrive"),
    ],
)
async def test_trouble_is_told_in_one_sentence(plan: Plan, arguments: list[str], remedy: str) -> None:
    ended = await towpath(plan, *arguments)

    assert ended.exit_code == 1
    assert len(ended.stderr.strip().splitlines()) == 1
    assert remedy in ended.stderr
