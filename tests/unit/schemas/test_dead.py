"""A dead letter keeps a message as it was, whatever it is made of; a filter means what the broker's patterns mean."""

import string

import pytest
from hypothesis import given, strategies as st
from pydantic import ValidationError

from towpath_schemas import identity, subjects
from towpath_schemas.attribution import Attribution
from towpath_schemas.calls import CallRequested
from towpath_schemas.dead import DeadLetter, LetterFilter, Original
from towpath_schemas.requests import RedriveRequested
from towpath_schemas.shape import problems
from towpath_schemas.subjects import matches

TOKENS = st.text(string.ascii_lowercase + "-", min_size=1, max_size=3)
SUBJECTS = st.lists(TOKENS, min_size=1, max_size=4).map(".".join)
HEADERS = st.dictionaries(st.text(), st.text(st.characters()), max_size=4)


def letter(**changes: object) -> DeadLetter:
    known = {
        "letter_id": "one",
        "stream": "TOOLS",
        "consumer": "tools-hello",
        "reason": "the runner is broken",
        "attempts": 3,
        "at": 2.0,
        "published_at": 1.0,
        "subject": "tools.v1.hello.add",
        "sequence": 7,
        "body": "",
    }
    return DeadLetter.model_validate({**known, **changes})


@given(st.binary(max_size=200), HEADERS)
def test_any_body_comes_back_byte_for_byte(body: bytes, headers: dict[str, str]) -> None:
    kept = Original.from_body(Original.of(headers, body).to_body())

    assert kept.raw == body
    assert len(kept.headers) <= len(headers)


@given(st.dictionaries(st.text(), st.text(st.characters(exclude_categories=["Cs"]))))
def test_headers_that_are_text_are_kept_as_they_are(headers: dict[str, str]) -> None:
    assert Original.of(headers, b"").headers == headers


@given(st.one_of(st.text(string.printable), st.text(st.sampled_from('"\\\n\x00')), st.binary()))
def test_no_body_takes_much_more_room_than_it_must(written: str | bytes) -> None:
    body = written.encode() if isinstance(written, str) else written

    assert len(Original.of({}, body).to_body()) <= len(body) * 4 / 3 + 60


def test_a_text_is_kept_as_text_so_that_people_can_read_it() -> None:
    assert Original.of({}, '{"name": "Åda"}'.encode()).body == '{"name": "Åda"}'


@pytest.mark.parametrize(
    ("only", "fits"),
    [
        ({}, True),
        ({"stream": "TOOLS"}, True),
        ({"stream": "RUNS"}, False),
        ({"subject": "tools.v1.*.add"}, True),
        ({"subject": "tools.v1.*"}, False),
        ({"reason": "IS broken"}, True),
        ({"reason": "missing"}, False),
        ({"stream": "TOOLS", "subject": "tools.>", "reason": "missing"}, False),
    ],
)
def test_a_filter_means_what_all_of_it_says(only: dict[str, str], fits: bool) -> None:  # noqa: FBT001
    assert LetterFilter.model_validate(only).fits(letter()) is fits


def test_a_letter_is_its_tenants_or_nobodys() -> None:
    assert letter(attribution=Attribution(tenant="acme")).tenant == "acme"
    assert letter().tenant == subjects.NOBODY


@given(SUBJECTS)
def test_a_subject_matches_itself_and_all_that_stand_for_it(subject: str) -> None:
    tokens = subject.split(".")

    assert matches(subject, subject)
    assert matches(">", subject)
    assert matches(".".join("*" for _ in tokens), subject)
    assert not matches(f"{subject}.>", subject)
    assert not matches(f"{subject}.*", subject)
    assert not matches(".".join("*" for _ in tokens), f"{subject}.more")


@given(SUBJECTS, SUBJECTS)
def test_different_subjects_do_not_match(one: str, other: str) -> None:
    assert matches(one, other) is (one == other)


@given(st.text(), st.text())
def test_whose_a_subject_is_can_be_read_from_it(tenant: str, name: str) -> None:
    written = tenant.encode(errors="surrogatepass").decode(errors="surrogatepass")

    assert subjects.tenant_of(subjects.request(written, "start", name)) == written
    assert subjects.tenant_of(subjects.audit(written, None, "run", name)) == written
    assert subjects.run_of(subjects.inbox("run-1", "result", name)) == "run-1"
    assert subjects.run_of(subjects.journal_entry("run-1", 2_000)) == "run-1"
    assert subjects.tenant_of(subjects.call(written, name)) is None
    assert subjects.run_of(subjects.call(written, name)) is None


@pytest.mark.parametrize("subject", ["requests", "requests.v1", "requests.v2.a", "", ".", "requests.v1.-xff"])
def test_whose_an_odd_subject_is_nobody_knows(subject: str) -> None:
    assert subjects.tenant_of(subject) is None


def test_letters_of_different_consumers_places_and_times_have_ids_of_their_own() -> None:
    ids = {
        identity.letter_id("A", "b", 1, 1.0),
        identity.letter_id("A", "c", 1, 1.0),
        identity.letter_id("A", "b", 2, 1.0),
        identity.letter_id("A", "b", 1, 1.5),
        identity.letter_id("B", "b", 1, 1.0),
    }

    assert len(ids) == 5
    assert len({identity.redrive_id(one) for one in ids} | ids) == 10


@pytest.mark.parametrize(
    "said",
    [b'{"limit": 0}', b'{"limit": 1001}', b'{"after": -1}', b'{"only": {"tenant": "other"}}', b'{"only": 1}'],
)
def test_a_redrive_that_asks_for_what_cannot_be_is_refused(said: bytes) -> None:
    with pytest.raises(ValidationError):
        RedriveRequested.from_body(said)


def test_what_is_wrong_with_a_body_is_said_without_what_it_was() -> None:
    with pytest.raises(ValidationError) as raised:
        CallRequested.from_body(b'{"run_id": "secret", "surprise": "secret"}')
    told = problems(raised.value)

    assert told.startswith("key: Field required; ")
    assert told.endswith("; and 3 more")
    assert "secret" not in told


def test_very_many_wrong_fields_are_counted_only() -> None:
    body = b'{"a' + b'": 1, "a'.join(b"%d" % number for number in range(1_000)) + b'": 1}'
    with pytest.raises(ValidationError) as raised:
        CallRequested.from_body(body)

    assert problems(raised.value) == "1,008 fields are wrong"
