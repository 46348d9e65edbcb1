"""Any name can stand in a subject, and every subject that is written can be read back."""

import re

import pytest
from hypothesis import given, strategies as st

from towpath_schemas import subjects
from towpath_schemas.streams import STREAMS, partition_consumer, runner_consumer, tools_consumer

ANY = st.text()
TRICKY = st.text(alphabet="-xX0aé.#\x00 /", max_size=8)
NAMES = st.one_of(ANY, TRICKY)
TOKEN = re.compile(r"[A-Za-z0-9_-]+")


@given(NAMES)
def test_a_name_is_written_as_one_token_and_comes_back(name: str) -> None:
    written = subjects.token(name)

    assert TOKEN.fullmatch(written)
    assert subjects.name_of(written) == name


@given(NAMES, NAMES)
def test_two_names_are_never_written_alike(one: str, other: str) -> None:
    assert (subjects.token(one) == subjects.token(other)) is (one == other)


@given(st.text(alphabet="abcXYZ019_", min_size=1))
def test_an_ordinary_name_is_written_as_it_is(name: str) -> None:
    assert subjects.token(name) == name


@given(NAMES, NAMES, NAMES)
def test_a_request_is_addressed_to_tenant_verb_and_target(tenant: str, verb: str, target: str) -> None:
    address = subjects.read_request(subjects.request(tenant, verb, target))

    assert address == (tenant, verb, target)


@pytest.mark.parametrize(
    "subject", ["requests.v1.acme.start", "requests.v2.acme.start.greet", "requests.v1.a.start.b.c", ""]
)
def test_what_is_no_request_is_refused_with_the_shape_it_should_have(subject: str) -> None:
    with pytest.raises(ValueError, match=r"is not requests\.v1\.<tenant>\.<verb>\.<component>"):
        subjects.read_request(subject)


@given(NAMES, NAMES, NAMES)
def test_a_mailbox_says_whose_it_is_and_lies_in_its_partition(
    tenant: str, entity_type: str, key: str
) -> None:
    subject = subjects.mailbox(tenant, entity_type, key)

    assert subjects.read_mailbox(subject) == (tenant, entity_type, key)
    assert _matches(subjects.mailboxes_in(subjects.partition_of(tenant, entity_type, key)), subject)


@given(st.integers(0, 10**9))
def test_a_journal_entry_says_its_run_and_number_and_lies_in_its_chunk(number: int) -> None:
    subject = subjects.journal_entry("run-1", number)

    assert subjects.read_journal_entry(subject) == ("run-1", number)
    assert _matches(subjects.journal_chunk("run-1", number // subjects.ENTRIES_PER_CHUNK), subject)
    assert _matches(subjects.journal_of("run-1"), subject)


@given(st.integers(1, 10**9))
def test_a_claim_says_its_run_and_epoch(epoch: int) -> None:
    subject = subjects.claim("run-1", epoch)

    assert subjects.read_claim(subject) == ("run-1", epoch)
    assert _matches(subjects.claims_of("run-1"), subject)


@given(NAMES, NAMES, NAMES, st.integers(1, 10**9))
def test_an_entity_commit_says_its_number(tenant: str, entity_type: str, key: str, number: int) -> None:
    subject = subjects.entity_log(tenant, entity_type, key, number)

    assert subjects.read_entity_log(subject) == number
    assert _matches(subjects.entity_logs_of(tenant, entity_type, key), subject)


@given(NAMES)
def test_an_inbox_event_says_its_run_and_kind(event_id: str) -> None:
    subject = subjects.inbox("run-1", "result", event_id)

    assert subjects.read_inbox(subject) == ("run-1", "result")
    assert _matches(subjects.inbox_of("run-1"), subject)
    assert _matches(subjects.EVERY_INBOX_EVENT, subject)


@given(NAMES)
def test_the_filters_of_a_service_match_what_is_sent_to_it(service: str) -> None:
    assert _matches(subjects.dispatches_of(service), subjects.dispatch("start", service))
    assert _matches(subjects.calls_of(service), subjects.call(service, "look up"))


@given(NAMES, st.one_of(st.none(), NAMES), NAMES, NAMES)
def test_an_audit_event_is_found_by_any_filter_that_fits_it(
    tenant: str, agent: str | None, kind: str, action: str
) -> None:
    subject = subjects.audit(tenant, agent, kind, action)

    assert len(subject.split(".")) == 6
    for chosen in ({}, {"tenant": tenant}, {"kind": kind}, {"agent": agent} if agent else {}):
        assert _matches(subjects.audit_filter(**chosen), subject)


def test_every_persistent_subject_belongs_to_exactly_one_stream() -> None:
    written = {
        "REQUESTS": subjects.request("acme", "start", "greet"),
        "RUNS": subjects.dispatch("start", "hello"),
        "TOOLS": subjects.call("hello", "add"),
        "ENTITIES": subjects.mailbox("acme", "Cart", "c-1"),
        "JOURNAL": subjects.journal_entry("run-1", 0),
        "INBOX": subjects.inbox("run-1", "result", "1"),
        "AUDIT": subjects.audit("acme", None, "run", "started"),
        "OUTPUT": subjects.output("run-1"),
        "DEAD": subjects.dead("TOOLS", "tools-hello"),
        "CATALOGUE": subjects.catalogue("hello"),
    }

    for name, subject in written.items():
        keepers = [one.name for one in STREAMS if any(_matches(filter_, subject) for filter_ in one.subjects)]
        assert keepers == [name]


@pytest.mark.parametrize(
    "subject",
    [
        "$JS.API.STREAM.PURGE.JOURNAL",
        "$SYS.REQ.SERVER.PING",
        subjects.claim("run-1", 99),
        subjects.journal_entry("run-1", 1),
        subjects.live("run-1"),
        subjects.entity_turn("hello"),
        subjects.entity_read("acme", "Cart", "c-1"),
        subjects.presence("router", "1"),
        subjects.runs_index("list"),
        *(one.subjects[0].replace("*", "a").replace(">", "a") for one in STREAMS),
    ],
)
def test_the_platforms_own_subjects_are_known_as_such(subject: str) -> None:
    assert subjects.is_ours(subject)


@pytest.mark.parametrize("subject", ["_INBOX.abc.1", "my.answers", "journal", "audit.mine", "inbox.v2.x"])
def test_a_requesters_own_subjects_are_not_ours(subject: str) -> None:
    assert not subjects.is_ours(subject)


@given(NAMES)
def test_a_consumer_can_be_named_after_any_service(service: str) -> None:
    assert TOKEN.fullmatch(runner_consumer(service))
    assert TOKEN.fullmatch(tools_consumer(service))
    assert runner_consumer(service) != tools_consumer(service)


def test_entities_spread_over_all_partitions_as_every_language_computes_them() -> None:
    partitions = {subjects.partition_of("acme", "Cart", f"c-{number}") for number in range(2_000)}

    assert partitions == set(range(subjects.ENTITY_PARTITIONS))
    assert [subjects.partition_of("acme", "Cart", "c-1"), subjects.partition_of("acme", "Über", "é")] == [
        52,
        1,
    ]
    assert TOKEN.fullmatch(partition_consumer(63))


def _matches(pattern: str, subject: str) -> bool:
    """Match as the broker does: `*` is one token, `>` the rest."""
    wanted, tokens = pattern.split("."), subject.split(".")
    if wanted[-1] == ">":
        wanted, tokens = wanted[:-1], tokens[: len(wanted) - 1] if len(tokens) >= len(wanted) else []
    return len(wanted) == len(tokens) and all(
        one in ("*", token) for one, token in zip(wanted, tokens, strict=True)
    )
