"""Journals of every feature are kept for each release, and are replayed by the code of today.

Where a stored history is not replayed any more, runs that are under way would not survive the change either: mend the
engine. `just golden` records what is missing; it changes nothing that is there.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import pytest

from towpath.components import REGISTRY, Registry
from towpath.coordination import Join
from towpath.errors import NonDeterminismError
from towpath.testing import Replayed, check_replay, crash_everywhere, virtual_time
from towpath.testing.disturbance import Disturbance
from towpath.testing.journals import read_journal
from towpath_schemas.journal import (
    Act,
    CallIntended,
    CallSettled,
    JournalRecord,
    PauseReceived,
    RunEnd,
    RunFinished,
    RunStarted,
    Source,
    StepSettled,
    ValueDrawn,
)
from towpath_testkit.golden.lives import LIVES, Life
from towpath_testkit.golden.recording import SOURCE, edited, record, registry_of, release

HISTORIES = Path(__file__).with_name("histories")
FILES = sorted(HISTORIES.glob("*/*.jsonl"))


def named(file: Path) -> str:
    return str(file.relative_to(HISTORIES).with_suffix(""))


def records_of(file: Path) -> list[JournalRecord]:
    return [record for _, record in read_journal(file.read_text("utf-8"))]


def replayed(file: Path, registry: Registry) -> Replayed:
    started = records_of(file)[0]
    assert isinstance(started, RunStarted)
    return check_replay(started.component, file.read_text("utf-8"), registry=registry)


@pytest.fixture(scope="module")
def code() -> Registry:
    """The code of the histories, as it is today."""
    return registry_of(SOURCE)


# --- Every history is replayed ---------------------------------------------------------------------------


@pytest.mark.parametrize("file", FILES, ids=named)
def test_a_history_is_replayed_by_the_code_of_today(file: Path, code: Registry) -> None:
    recorded = records_of(file)[-1]

    ended = replayed(file, code).ended

    if isinstance(recorded, RunFinished) and ended is not None:
        assert (ended.end, ended.result) == (recorded.end, recorded.result)


def test_every_life_has_a_history_of_this_release() -> None:
    missing = [name for name in LIVES if not (HISTORIES / release() / f"{name}.jsonl").exists()]

    assert not missing, f"record them with `just golden`: {missing}"


def test_what_is_recorded_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("towpath_testkit.golden.recording.LIVES", {"failed": LIVES["failed"]})
    (file,) = record(tmp_path)
    assert file == tmp_path / release() / "failed.jsonl"
    file.write_text("as it was")

    assert record(tmp_path) == []
    assert file.read_text() == "as it was"


def test_loading_the_code_leaves_the_registry_of_the_process_alone() -> None:
    before = [*REGISTRY]

    registry_of(SOURCE)

    assert [*REGISTRY] == before


# --- A break is told, with both sides --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("life", "changes", "expected", "found"),
    [
        ("steps", {'ctx.step("greet", lambda: f"hello': 'ctx.step("hail", lambda: f"hello'}, "step 'greet#0'", "step 'hail#0'"),
        ("calls", {'"add", input={"a": 3': '"add", input={"a": 9'}, "'a': 3", "'a': 9"),
        ("calls", {"ctx.task(flaky, input": "ctx.task(broken, input"}, "'task:broken#0' called with 'the vase'", "called with 'far away'"),
        ("values", {"ctx.now().isoformat(), str(ctx.uuid())": "str(ctx.uuid())"}, "now 'now#1'", "its end"),
        ("branches", {"one=ctx.step": "other=ctx.step", '"one", lambda': '"other", lambda'}, "step 'one#0'", "other#0"),
        ("race_won_by_a_timer", {'ctx.signal("paid")': 'ctx.signal("settled")'}, "signal:paid#0", "its end"),
        ("timers", {"    await ctx.timer(delay_ms=500)\n": ""}, "timer 'timer#2'", "its end"),
        ("signals", {'await ctx.signal("early"), ': ""}, "signal:early#0", "its end"),
        ("approval_that_is_waited_for", {'approval("deploy"': 'approval("ship"'}, "approval:deploy#0", "approval:ship#0"),
        ("children", {"ctx.spawn(grows, 30)": "ctx.spawn(fails)"}, "run:grows#", ""),
        ("continued_as_new", {"if left:": "if left > 1:"}, "its end as continued", "its end"),
        ("saga_of_a_cancelled_run", {'on_failure("unbook"': 'on_failure("forget"'}, "step 'unbook#0'", "step 'forget#0'"),
        ("cancelled_with_cleanup", {'await ctx.sleep(60)\n        await ctx.step("clean"': 'await ctx.step("clean"'}, "timer 'timer#0'", "its end as cancelled"),
        ("begun_before_the_patch", {'if ctx.patched("insure")': "if True"}, "timer 'timer#0'", "step 'insure#0'"),
        ("second_version", {'ctx.step("fee"': 'ctx.step("toll"'}, "step 'fee#0'", "step 'toll#0'"),
        ("flow_that_is_escalated", {'task("left", "begin"': 'task("first", "begin"', '["left"]': '["first"]'}, "left/", "first/"),
        ("entities", {"ada.deposit(5)": "ada.deposit(6)"}, "5", "6"),
        ("agent", {'name="poet"': 'name="bard"', "transfer_to_poet": "transfer_to_bard"}, "handoff", ""),
        ("models", {'"How is it?", model="test/golden-oracle"': '"How is it?", model="test/golden-poet"'}, "golden-oracle", "golden-poet"),
        ("streaming_function", {'ctx.step("letter"': 'ctx.step("sign"'}, "step 'letter#0'", "step 'sign#0'"),
        ("retried_function", {'ctx.step("first"': 'ctx.step("one"'}, "step 'first#0'", "step 'one#0'"),
    ],
)  # fmt: skip
def test_changed_code_breaks_with_both_sides_named(
    life: str, changes: dict[str, str], expected: str, found: str
) -> None:
    changed = registry_of(edited(SOURCE, changes))

    with pytest.raises(NonDeterminismError) as caught:
        replayed(HISTORIES / release() / f"{life}.jsonl", changed)

    assert expected in caught.value.expected
    assert found in caught.value.found
    assert f"the journal has {caught.value.expected}, the code asked for {caught.value.found}" in str(
        caught.value
    )


# --- The same lives survive every crash ---------------------------------------------------------------------


KILLABLE = {
    name: life
    for name, life in LIVES.items()
    if life.ends and not life.before and life.disturbance is Disturbance
}
FLOWS = [name for name, life in KILLABLE.items() if life.component == "flow"]
LONG = [*FLOWS, "agents_in_a_workflow", "branches", "timers"]
"""Lives of so many moments that to die at each takes long; the parts they are made of die in tests/unit/testing."""


@virtual_time
@pytest.mark.parametrize("name", sorted(KILLABLE.keys() - LONG))
async def test_a_life_is_the_same_wherever_its_process_dies(name: str, code: Registry) -> None:
    await killed_everywhere(KILLABLE[name], code)


@virtual_time
@pytest.mark.soak
@pytest.mark.parametrize("name", LONG)
async def test_a_long_life_is_the_same_wherever_its_process_dies(name: str, code: Registry) -> None:
    await killed_everywhere(KILLABLE[name], code)


async def killed_everywhere(life: Life, code: Registry) -> None:
    await crash_everywhere(
        life.component, life.input, script=life.script, registry=code, headers=dict(life.headers)
    )


# --- There is nothing of which there is no history ---------------------------------------------------------


@pytest.fixture(scope="module")
def recorded() -> list[JournalRecord]:
    return [record for file in FILES for record in records_of(file)]


def shapes() -> Iterator[type[Any]]:
    """List the kinds of records of runs; what else begins a journal of its own names the request that it is about."""
    union, *_ = get_args(JournalRecord)
    for shape in get_args(union):
        if shape is RunStarted or "correlation_id" not in shape.model_fields:
            yield shape


BY_OTHERS: Mapping[type[Any], set[str]] = {
    RunStarted: {"line", "forked_from", "forked_by", "taken_over", "traceparent", "gates", "priority"},
    RunFinished: {"attribution"},
}
"""What only the router writes."""


def test_every_kind_of_record_and_every_field_of_it_occurs(recorded: list[JournalRecord]) -> None:
    never = [
        f"{shape.__name__}.{name}"
        for shape in shapes()
        for name, field in shape.model_fields.items()
        if name not in BY_OTHERS.get(shape, ())
        and not any(
            isinstance(record, shape)
            and (field.is_required() or getattr(record, name) != field.get_default())
            for record in recorded
        )
        and name != "kind"
    ]

    assert not never, f"no golden history has {never}; add a component to golden/app and a life of it"


def test_every_alternative_occurs(recorded: list[JournalRecord]) -> None:
    def values(shape: type[Any], field: str) -> set[Any]:
        return {getattr(record, field) for record in recorded if isinstance(record, shape)}

    children = [one.input for one in recorded if isinstance(one, CallIntended) and one.act == "run"]
    drawn = values(ValueDrawn, "source")

    assert values(CallSettled, "act") == set(get_args(Act))
    assert values(CallIntended, "act") == set(get_args(Act)) - {"memory"}, "what is asked of it is one record"
    assert values(RunFinished, "end") == set(get_args(RunEnd))
    assert drawn == set(get_args(Source))
    assert values(PauseReceived, "paused") == {True, False}
    assert values(RunStarted, "component_kind") == {"function", "workflow", "agent"}
    assert {one["join"] for one in children} == set(get_args(Join))
    assert {2} <= values(StepSettled, "attempts")


def test_every_component_of_the_code_has_taken_part(code: Registry, recorded: list[JournalRecord]) -> None:
    lived = {life.component for life in LIVES.values()} | called(recorded)

    assert [one.name for one in code if one.kind.value != "entity" and one.name not in lived] == []


def called(recorded: Iterable[JournalRecord]) -> set[str]:
    """Name the components that took part in runs."""
    names: set[str] = set()
    for one in recorded:
        match one:
            case RunStarted():
                names.add(one.component)
            case CallIntended():
                names |= {one.target, one.agent or one.target}
            case _:
                pass
    return names
