"""What travels is listed, described in committed documents, and comes back from the wire as it was."""

import importlib
import json
import pkgutil
import re
from pathlib import Path
from typing import Any, get_args

import jsonschema
import pytest
from hypothesis import given, strategies as st
from pydantic import ValidationError

import towpath_schemas
from towpath_schemas.attribution import Attribution, AttributionClaim
from towpath_schemas.calls import Answered
from towpath_schemas.catalogue import EVENT_TYPES, event_type_of
from towpath_schemas.envelope import Envelope, claimed_headers, header_value
from towpath_schemas.export import as_text, documents, write
from towpath_schemas.failure import Failure, FailureCode
from towpath_schemas.identity import answer_id, call_id, derived_id, run_id
from towpath_schemas.journal import (
    CallIntended,
    CallSettled,
    JournalRecord,
    Record,
    RunFinished,
    RunStarted,
    StepSettled,
    ValueDrawn,
    read_record,
)
from towpath_schemas.requests import StartRequested
from towpath_schemas.shape import Shape

SCHEMAS = Path(__file__).parents[3] / "schemas"
DOCUMENTS = documents()
PARTS_OF_OTHERS = {
    "ApprovalAsked",
    "ApprovalView",
    "Attribution",
    "AttributionClaim",
    "Changes",
    "CodeOffered",
    "ComponentDescribed",
    "ConcurrencyLimit",
    "DebounceLimit",
    "Due",
    "Embedding",
    "Envelope",
    "Failure",
    "FoundMemory",
    "GateLooked",
    "GatePassed",
    "InLine",
    "Inside",
    "InvocationDone",
    "LeftOut",
    "LetterFilter",
    "LetterView",
    "MemoryItem",
    "MethodDescribed",
    "Original",
    "PageAsked",
    "PageTold",
    "ParameterNames",
    "Parent",
    "PlaceInLine",
    "RateLimit",
    "Record",
    "Requested",
    "Ruling",
    "RunEntered",
    "RunLeft",
    "RunView",
    "ScheduleDeclared",
    "ScheduleDefinition",
    "Scheduling",
    "SessionOwner",
    "SingletonLimit",
    "Stream",
    "Timing",
    "TransactionArguments",
    "TransactionCall",
    "TurnRequested",
    "Unsearched",
    "Usage",
    "Within",
    "_Limit",
}
"""Shapes that no message consists of: they are parts or bases of others, or only describe."""

JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(10**40), 10**40),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(),
    ),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    max_leaves=12,
)
FAILURES = st.builds(
    Failure,
    code=st.sampled_from(get_args(FailureCode)),
    message=st.text(),
    retryable=st.booleans(),
    retry_after_s=st.one_of(st.none(), st.floats(0, 1e9)),
    error_type=st.one_of(st.none(), st.text()),
)
AT = st.floats(0, 4e9)
WRITTEN = st.text(min_size=1, max_size=256)


# --- Documents --------------------------------------------------------------------------------------


def shapes() -> set[type[Shape]]:
    for module in pkgutil.iter_modules(towpath_schemas.__path__):
        importlib.import_module(f"towpath_schemas.{module.name}")
    found, unseen = set[type[Shape]](), [Shape]
    while unseen:
        below = [
            one for one in unseen.pop().__subclasses__() if one.__module__.startswith("towpath_schemas.")
        ]
        found.update(below)
        unseen.extend(below)
    return found


def test_every_shape_is_an_event_or_known_to_be_a_part_of_one() -> None:
    listed = {event.shape.__name__ for event in EVENT_TYPES}

    assert {shape.__name__ for shape in shapes()} - listed == PARTS_OF_OTHERS


def test_every_kind_of_record_can_be_read_and_is_an_event() -> None:
    kinds = set(Record.__subclasses__())

    assert set(get_args(get_args(JournalRecord)[0])) == kinds
    assert kinds <= {event.shape for event in EVENT_TYPES}


def test_every_event_type_has_a_name_of_its_own() -> None:
    assert (
        len({event.name for event in EVENT_TYPES})
        == len({event.shape for event in EVENT_TYPES})
        == len(EVENT_TYPES)
    )


@pytest.mark.parametrize("path", sorted(DOCUMENTS))
def test_the_committed_document_is_what_the_models_say(path: str) -> None:
    assert (SCHEMAS / path).read_text() == as_text(DOCUMENTS[path]), "run ./just schemas"


def test_no_document_of_an_event_that_is_gone_is_kept(tmp_path: Path) -> None:
    (tmp_path / "json").mkdir()
    (tmp_path / "json" / "io.towpath.gone.v1.json").write_text("{}")

    write(tmp_path)

    kept = {str(file.relative_to(SCHEMAS)) for file in SCHEMAS.glob("json/*.json")}
    assert kept | {"asyncapi.json"} == set(DOCUMENTS)
    assert {file.name for file in (tmp_path / "json").iterdir()} == {Path(path).name for path in kept}


@pytest.mark.parametrize("event", EVENT_TYPES, ids=lambda event: event.name)
def test_every_json_schema_is_one(event: Any) -> None:
    jsonschema.Draft202012Validator.check_schema(DOCUMENTS[f"json/{event.name}.json"])


def test_the_asyncapi_document_refers_to_nothing_that_is_not_there() -> None:
    document = DOCUMENTS["asyncapi.json"]
    references = set(re.findall(r'"\$ref": "([^"]+)"', as_text(document)))

    assert references
    for reference in references:
        if reference.startswith("json/"):
            assert reference in DOCUMENTS
            continue
        place: Any = document
        for name in reference.removeprefix("#/").split("/"):
            place = place[name]


# --- Bodies -----------------------------------------------------------------------------------------


@given(JSON_VALUES, st.one_of(st.none(), FAILURES), AT)
def test_whatever_json_can_carry_comes_back_from_a_record(
    value: Any, failure: Failure | None, at: float
) -> None:
    records: list[JournalRecord] = [
        StepSettled(at=at, key="a#0", result=value, failure=failure),
        CallIntended(at=at, key="task:a#0", act="task", target="a", input=value),
        CallSettled(at=at, key="task:a#0", act="task", target="a", result=value, failure=failure),
        RunFinished(at=at, end="completed", result=value, failure=failure),
    ]

    for record in records:
        assert read_record(record.to_body()) == record


@given(JSON_VALUES)
def test_the_result_of_an_answer_is_settled_as_it_was_given(value: Any) -> None:
    answer = Answered(answer_id="1", run_id="2", key="3", result=value)

    assert json.dumps(Answered.from_body(answer.to_body()).result) == json.dumps(value)


@given(st.one_of(st.text(), st.floats(allow_nan=False)))
def test_a_drawn_value_keeps_its_type(value: str | float) -> None:
    drawn = ValueDrawn(at=1.0, key="random#0", source="random", value=value)

    again = read_record(drawn.to_body())

    assert isinstance(again, ValueDrawn)
    assert (type(again.value), again.value) == (type(value), value)


def test_none_inside_a_value_is_carried_and_a_field_that_is_none_is_left_out() -> None:
    body = StepSettled(at=1.0, key="a#0", result={"a": None, "b": [None, {"c": None}]}).to_body()

    assert json.loads(body)["result"] == {"a": None, "b": [None, {"c": None}]}
    assert "failure" not in json.loads(body)


@pytest.mark.parametrize("code", get_args(FailureCode))
def test_every_failure_code_is_read_back(code: FailureCode) -> None:
    failure = Failure(code=code, message="because")

    assert Failure.from_body(failure.to_body()) == failure


def test_a_failure_code_nobody_knows_is_refused() -> None:
    with pytest.raises(ValidationError, match="code"):
        Failure.from_body(b'{"code": "bad_luck", "message": "because"}')


def test_a_field_nobody_knows_is_refused_by_name() -> None:
    with pytest.raises(ValidationError, match="surprise"):
        StartRequested.from_body(b'{"input": 1, "surprise": 2}')


def test_a_record_of_a_kind_nobody_knows_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"step\.guessed"):
        read_record(b'{"kind": "step.guessed", "at": 1}')


@pytest.mark.parametrize("reply_to", ["a b", "a.*", "a.>", "", "x" * 257, "a\nb"])
def test_a_reply_subject_that_cannot_be_published_to_is_refused(reply_to: str) -> None:
    with pytest.raises(ValidationError):
        StartRequested(reply_to=reply_to)


# --- Attribution and envelope -------------------------------------------------------------------------


CLAIMS = st.builds(
    AttributionClaim,
    **{name: st.one_of(st.none(), WRITTEN) for name in AttributionClaim.model_fields},
)


@given(WRITTEN, st.one_of(st.none(), CLAIMS))
def test_a_claim_is_vouched_for_within_the_tenant_it_came_from(
    tenant: str, claim: AttributionClaim | None
) -> None:
    vouched = Attribution.vouched(tenant, claim)

    assert vouched.tenant == tenant
    said = claim or AttributionClaim()
    assert vouched.model_dump(exclude={"tenant"}) == said.model_dump()


def test_a_claim_cannot_name_a_tenant() -> None:
    with pytest.raises(ValidationError, match="tenant"):
        AttributionClaim.model_validate({"tenant": "other"})


@given(WRITTEN, WRITTEN, CLAIMS)
def test_headers_are_plain_ascii_on_one_line_and_say_what_the_envelope_says(
    event_id: str, correlation_id: str, claim: AttributionClaim
) -> None:
    attribution = Attribution.vouched("acme", claim)
    envelope = Envelope(
        id=event_id,
        type=event_type_of(RunStarted),
        source="/towpath/router/1",
        time="2024-02-29T12:00:00Z",
        traceparent="00-" + "a" * 32 + "-" + "b" * 16 + "-01",
        correlation_id=correlation_id,
        attribution=attribution,
    )

    headers = envelope.headers()

    assert all(value.isascii() and value.isprintable() and " " not in value for value in headers.values())
    assert header_value(headers, "ce-id") == event_id
    assert header_value(headers, "ce-correlationid") == correlation_id
    assert headers["traceparent"] == headers["ce-traceparent"]
    assert claimed_headers(headers) == {
        header: value
        for header, value in (
            ("ce-tenant", "acme"),
            ("ce-userref", claim.user_id),
            ("ce-userrole", claim.user_role),
            ("ce-agentname", claim.agent),
            ("ce-agentid", claim.agent_id),
            ("ce-sessionid", claim.session_id),
            ("ce-workflowid", claim.workflow_id),
        )
        if value
    }


@pytest.mark.parametrize(
    ("raw", "read"),
    [
        ("a%20b", "a b"),
        ("", None),
        ("%C3%BC", "ü"),
        ("%ff", "\N{REPLACEMENT CHARACTER}"),
        ("\udcff", "?"),
        ("100%", "100%"),
    ],
)
def test_a_header_is_always_read_as_text_that_can_be_written_again(raw: str, read: str | None) -> None:
    assert header_value({"ce-id": raw}, "ce-id") == read
    assert header_value(None, "ce-id") is None


# --- Ids --------------------------------------------------------------------------------------------


@given(st.lists(st.text(max_size=5), max_size=4), st.lists(st.text(max_size=5), max_size=4))
def test_ids_are_equal_only_if_all_parts_are(one: list[str], other: list[str]) -> None:
    assert (derived_id(*one) == derived_id(*other)) is (one == other)


def test_ids_of_different_things_differ_and_are_one_token() -> None:
    ids = {run_id("a", "b", "c"), run_id("a", "bc", ""), answer_id("a"), call_id("a", "b"), call_id("ab", "")}

    assert len(ids) == 5
    assert all(len(one) == 26 and one.isalnum() and one.islower() | one.isdigit() for one in ids)
