"""Every request becomes a run or a refusal: told at once, written down, and never in the way of another."""

import asyncio
import json
from typing import Any
from uuid import uuid4

import pytest

from towpath_chassis.jetstream import JetStream
from towpath_chassis.messages import Message
from towpath_schemas import identity, subjects
from towpath_schemas.attribution import Attribution
from towpath_schemas.calls import RunDispatched
from towpath_schemas.components import ComponentDescribed, ServiceRegistered
from towpath_schemas.dead import DeadLetter
from towpath_schemas.journal import RunStarted, StartRefused, read_record
from towpath_schemas.payloads import MAX_PAYLOAD_BYTES
from towpath_schemas.requests import RequestRefused, RunAccepted
from towpath_schemas.streams import DEAD, JOURNAL, REQUESTS, ROUTER_REQUESTS, RUNS
from towpath_testkit.builders import SERVICE, TENANT, start_requested
from towpath_testkit.hosting import Platform
from towpath_testkit.servers import Servers
from towpath_testkit.settled import messages_in, settled, until, until_there_are

pytestmark = pytest.mark.live


class Requester:
    """Anyone with a NATS client: publishes requests and hears what the router says."""

    def __init__(self, js: JetStream) -> None:
        self._js = js
        self.reply_to = f"my-answers.{uuid4().hex}"
        self._heard: asyncio.Queue[bytes] = asyncio.Queue()

    async def listen(self) -> None:
        async def take(message: Message) -> None:
            self._heard.put_nowait(message.data)

        await self._js.subscribe(self.reply_to, take)

    async def heard(self) -> bytes:
        async with asyncio.timeout(5):
            return await self._heard.get()

    @property
    def silent(self) -> bool:
        return self._heard.empty()

    async def ask(self, component: str = "greet", **request: Any) -> None:
        asked = start_requested(reply_to=self.reply_to, **request)
        await self._js.publish(subjects.request(TENANT, "start", component), asked.to_body())


@pytest.fixture
async def requester(towpath: Platform) -> Requester:
    requester = Requester(towpath.js)
    await requester.listen()
    return requester


async def first_entry(js: JetStream, run_id: str) -> RunStarted:
    entry = await js.last(JOURNAL, subjects.journal_entry(run_id, 0))
    assert entry is not None
    record = read_record(entry.body)
    assert isinstance(record, RunStarted)
    return record


async def dispatches(js: JetStream) -> list[RunDispatched]:
    found = await js.following(RUNS, subjects.dispatches_of(SERVICE), start=1)
    return [RunDispatched.from_body(one.body) for one in found]


async def letters(js: JetStream) -> list[DeadLetter]:
    found = await js.following(DEAD, subjects.dead("REQUESTS", ROUTER_REQUESTS), start=1)
    return [DeadLetter.from_body(one.body) for one in found]


async def refusals(js: JetStream) -> list[StartRefused]:
    records = [
        read_record(one.body) for one in await js.newest_of_each(JOURNAL, subjects.EVERY_JOURNAL_ENTRY)
    ]
    return [record for record in records if isinstance(record, StartRefused)]


async def test_an_admitted_request_is_a_run_that_is_written_down_and_handed_to_its_service(
    towpath: Platform, requester: Requester
) -> None:
    await requester.ask(
        input={"name": "Ada"}, idempotency_key="order-1", attribution={"user_id": "u-1", "agent": "desk"}
    )

    accepted = RunAccepted.from_body(await requester.heard())
    started = await first_entry(towpath.js, accepted.run_id)
    assert accepted == RunAccepted(run_id=identity.run_id(TENANT, "greet", "order-1"), component="greet")
    assert (started.component, started.component_kind, started.service) == ("greet", "workflow", SERVICE)
    assert started.input == {"name": "Ada"}
    assert started.attribution == Attribution(tenant=TENANT, user_id="u-1", agent="desk")
    assert [(one.run_id, one.reason) for one in await dispatches(towpath.js)] == [(accepted.run_id, "start")]
    await settled(towpath.js, REQUESTS, ROUTER_REQUESTS)


async def test_what_a_requester_says_beside_the_input_is_the_runs_headers_but_no_credentials(
    towpath: Platform,
) -> None:
    body = start_requested(idempotency_key="order-1", headers={"X-Region": "eu", "User-Agent": "mine"})
    headers = {
        "User-Agent": "curl/8",
        "Accept-Language": "nl",
        "Authorization": "Bearer x",
        "Cookie": "session=x",
        "X-Api-Key": "x",
        "ce-userref": "root",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "Nats-Msg-Id": "m-1",
    }

    await towpath.js.publish(subjects.request(TENANT, "start", "greet"), body.to_body(), headers=headers)
    await settled(towpath.js, REQUESTS, ROUTER_REQUESTS)

    started = await first_entry(towpath.js, identity.run_id(TENANT, "greet", "order-1"))
    assert started.headers == {"user-agent": "mine", "accept-language": "nl", "x-region": "eu"}


async def test_a_repeated_key_finds_the_run_whose_first_entry_stays_as_it_was(
    towpath: Platform, requester: Requester
) -> None:
    for name in ("Ada", "Grace"):
        await requester.ask(input={"name": name}, idempotency_key="order-1")
        told = RunAccepted.from_body(await requester.heard())

    assert told.existed
    assert (await first_entry(towpath.js, told.run_id)).input == {"name": "Ada"}
    assert len(await dispatches(towpath.js)) == 1


async def test_a_run_whose_router_died_before_it_was_handed_on_is_handed_on_as_it_was_written(
    towpath: Platform, requester: Requester
) -> None:
    """The request comes again, or another with its key: what is dispatched must be what is in the journal."""
    run_id = identity.run_id(TENANT, "greet", "order-1")
    await requester.ask(input={"name": "Ada"}, idempotency_key="order-1")
    await requester.heard()
    config = (await towpath.js.api("STREAM.INFO.RUNS"))["config"]
    await towpath.js.api("STREAM.UPDATE.RUNS", {**config, "duplicate_window": 100_000_000})
    await towpath.js.purge(RUNS, subjects.dispatches_of(SERVICE))

    async def ask_again() -> list[RunDispatched]:
        await requester.ask(input={"name": "Grace"}, idempotency_key="order-1")
        await requester.heard()
        return await dispatches(towpath.js)

    dispatched = await until(ask_again, lambda found: found)

    assert dispatched[0].run_id == run_id
    assert dispatched[0].first_entry is None or '"Ada"' in dispatched[0].first_entry


async def test_different_tenants_and_components_with_one_key_are_different_runs(
    towpath: Platform, requester: Requester
) -> None:
    body = start_requested(idempotency_key="same", reply_to=requester.reply_to).to_body()
    for tenant in ("one", "other"):
        await towpath.js.publish(subjects.request(tenant, "start", "greet"), body)

    told = [RunAccepted.from_body(await requester.heard()) for _ in range(2)]

    assert len({one.run_id for one in told}) == 2
    assert {(await first_entry(towpath.js, one.run_id)).attribution.tenant for one in told} == {
        "one",
        "other",
    }


GREET = subjects.request(TENANT, "start", "greet")
LARGE = b'{"input": "' + b"x" * MAX_PAYLOAD_BYTES + b'"}'
FORGED = {"ce-tenant": "other"}


@pytest.mark.parametrize(
    ("subject", "body", "headers", "code", "says"),
    [
        (subjects.request(TENANT, "start", "nobody"), b"{}", {}, "unknown_component", "there are: greet"),
        (subjects.request(TENANT, "start", "look_up"), b"{}", {}, "unknown_component", "look_up"),
        (subjects.request(TENANT, "start", "Cart"), b"{}", {}, "unknown_component", "Cart"),
        (GREET, b"{", {}, "malformed", "body"),
        (GREET, b"\xff", {}, "malformed", "body"),
        (GREET, b'{"inptu": 1}', {}, "malformed", "inptu"),
        (GREET, b'{"attribution": {"tenant": "x"}}', {}, "malformed", "tenant"),
        (subjects.request(TENANT, "explode", "greet"), b"{}", {}, "unknown_verb", "explode"),
        (GREET, b"{}", FORGED, "forged_attribution", "other"),
        (GREET, LARGE, {}, "payload_too_large", f"{MAX_PAYLOAD_BYTES:,}"),
        ("requests.v1.-xff.start.greet", b"{}", {}, "malformed", "tenant"),
        ("requests.v1.-xed-xa0-x80.start.greet", b"{}", {}, "malformed", "tenant"),
        (subjects.request("", "start", "greet"), b"{}", {}, "malformed", "tenant"),
        (subjects.request("t" * 257, "start", "greet"), b"{}", {}, "malformed", "tenant"),
        (GREET, b'{"reply_to": "$JS.API.STREAM.PURGE.JOURNAL"}', {}, "malformed", "reply_to"),
        (GREET, b'{"reply_to": "claim.v1.some-run.99"}', {}, "malformed", "reply_to"),
    ],
    ids=[
        "unknown",
        "tool",
        "entity",
        "no-json",
        "no-text",
        "misspelt",
        "claims-a-tenant-in-its-body",
        "verb",
        "claims-a-tenant-in-a-header",
        "large",
        "tenant-is-no-text",
        "tenant-is-half-a-character",
        "tenant-is-empty",
        "tenant-is-too-long",
        "answer-to-the-broker",
        "answer-to-a-claim",
    ],
)
async def test_a_refused_request_is_journaled_and_kept_and_starts_nothing(  # noqa: PLR0917 - pytest names them
    towpath: Platform, subject: str, body: bytes, headers: dict[str, str], code: str, says: str
) -> None:
    await towpath.js.publish(subject, body, headers=headers)

    kept = await until(lambda: letters(towpath.js), lambda found: found)
    written = await refusals(towpath.js)

    assert [(one.subject, one.attempts) for one in kept] == [(subject, 1)]
    assert says in kept[0].reason
    assert [(one.subject, one.failure.code) for one in written] == [(subject, code)]
    assert says in written[0].failure.message
    await until_there_are(towpath.js, RUNS, 0)
    await settled(towpath.js, REQUESTS, ROUTER_REQUESTS)


async def test_a_requester_is_told_why_it_is_refused(requester: Requester) -> None:
    await requester.ask("nobody")

    refused = RequestRefused.from_body(await requester.heard())

    assert refused.failure.code == "unknown_component"
    assert refused.subject == subjects.request(TENANT, "start", "nobody")


@pytest.mark.parametrize(
    ("verb", "said", "code"),
    [("explode", {}, "unknown_verb"), ("start", {"inptu": 1}, "malformed")],
    ids=["verb", "misspelt"],
)
async def test_a_requester_whose_request_is_none_is_told_so(
    towpath: Platform, requester: Requester, verb: str, said: dict[str, int], code: str
) -> None:
    body = json.dumps({"reply_to": requester.reply_to, **said}).encode()

    await towpath.js.publish(subjects.request(TENANT, verb, "greet"), body)

    assert RequestRefused.from_body(await requester.heard()).failure.code == code


async def test_a_reply_subject_that_nobody_can_publish_to_does_not_refuse_the_request(
    towpath: Platform,
) -> None:
    body = start_requested(reply_to="a..b", idempotency_key="order-1").to_body()

    await towpath.js.publish(subjects.request(TENANT, "start", "greet"), body)
    await settled(towpath.js, REQUESTS, ROUTER_REQUESTS)

    await until_there_are(towpath.js, RUNS, 1)
    assert await messages_in(towpath.js, DEAD) == 0


async def test_what_a_requester_claims_in_headers_is_noted_on_its_refusal(towpath: Platform) -> None:
    headers = {"ce-userref": "root%20user", "ce-runid": "r-1"}

    await towpath.js.publish(subjects.request(TENANT, "start", "nobody"), b"{}", headers=headers)
    written = await until(lambda: refusals(towpath.js), lambda found: found)

    assert written[0].stripped_headers == {"ce-userref": "root user", "ce-runid": "r-1"}
    assert written[0].attribution == Attribution(tenant=TENANT)


async def test_a_hundred_bad_requests_hold_up_no_good_one(towpath: Platform, requester: Requester) -> None:
    for number in range(100):
        await towpath.js.publish(subjects.request(TENANT, "start", "nobody"), b"%d{" % number)
    async with asyncio.timeout(3):
        await requester.ask()
        RunAccepted.from_body(await requester.heard())
        await settled(towpath.js, REQUESTS, ROUTER_REQUESTS)

    assert await messages_in(towpath.js, DEAD) == 100


async def test_a_component_that_was_registered_a_moment_ago_is_known(
    towpath: Platform, requester: Requester
) -> None:
    late = ServiceRegistered(
        service="late", version="1", components=(ComponentDescribed(name="later", kind="function"),)
    )
    await towpath.js.publish(subjects.catalogue("late"), late.to_body())

    await requester.ask("later")

    accepted = RunAccepted.from_body(await requester.heard())
    assert (await first_entry(towpath.js, accepted.run_id)).service == "late"


async def test_a_registration_of_a_newer_runner_counts_with_what_is_understood_of_it(
    towpath: Platform, requester: Requester
) -> None:
    newer = {"kind": "function", "name": "later", "colour": {"of": "next year"}}
    body = json.dumps({"service": "late", "version": "2", "since": 2030, "components": [newer]})
    await towpath.js.publish(subjects.catalogue("late"), body.encode())

    await requester.ask("later")

    RunAccepted.from_body(await requester.heard())
    assert await messages_in(towpath.js, DEAD) == 0


async def test_a_registration_that_cannot_be_read_hides_no_other(
    towpath: Platform, requester: Requester
) -> None:
    await towpath.js.publish(subjects.catalogue("odd"), b"{")

    await requester.ask()

    RunAccepted.from_body(await requester.heard())


async def test_every_request_is_admitted_although_the_broker_is_killed_meanwhile(
    towpath: Platform, broker: Servers
) -> None:
    keys = [f"order-{number}" for number in range(60)]
    for number, key in enumerate(keys):
        if number in {20, 40}:
            await broker.nats.restart()
        await _publish_surely(towpath.js, key)

    async def missing() -> list[str]:
        ids = {key: identity.run_id(TENANT, "greet", key) for key in keys}
        found = await towpath.js.newest_of_each(JOURNAL, "journal.v1.*.0.0")
        written = {subjects.read_journal_entry(one.subject)[0] for one in found}
        return [key for key, run_id in ids.items() if run_id not in written]

    await until(
        missing, lambda keys: not keys, deadline_s=60
    )  # what was in hand comes again after `ack_wait_s`
    await until(lambda: dispatches(towpath.js), lambda found: len({one.run_id for one in found}) == 60)


async def _publish_surely(js: JetStream, key: str) -> None:
    body = start_requested(idempotency_key=key).to_body()

    async def attempt() -> int:
        stored = await js.publish(subjects.request(TENANT, "start", "greet"), body, message_id=key)
        return stored.sequence

    await until(attempt, lambda sequence: sequence)
