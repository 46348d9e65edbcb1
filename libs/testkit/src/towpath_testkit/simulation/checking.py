"""What must hold of every simulation, whatever went wrong in it."""

from collections import Counter
from collections.abc import Generator

from towpath.runtime.tool_host import OUTDATED
from towpath_schemas import identity
from towpath_schemas.journal import (
    ActAttemptFailed,
    ActGivenUp,
    CallIntended,
    CallSettled,
    HandedOff,
    JournalRecord,
    RunFinished,
    RunResumed,
    RunStarted,
    StepSettled,
    ValueDrawn,
)
from towpath_testkit.simulation.checking_entities import wrongs_of_entities
from towpath_testkit.simulation.checking_limits import wrongs_of_limits
from towpath_testkit.simulation.effects import Effect, step_effect
from towpath_testkit.simulation.seen import Entry, Simulated, Taken
from towpath_testkit.simulation.world import ACK_WAIT_S

Wrongs = Generator[str]

_LOOK_S = OUTDATED * ACK_WAIT_S
"""How old what a tool-runner goes by may be."""


def wrongs(
    simulated: Simulated,
    calm: Simulated,
    *,
    once_at_most: frozenset[str] = frozenset(),
    one_of_them: frozenset[str] = frozenset(),
) -> list[str]:
    """List what is wrong with a simulation, in sentences.

    Args:
        simulated: The simulation.
        calm: The same requests, when nothing goes wrong.
        once_at_most: The tools that are never tried again, by name.
        one_of_them: The components of whose runs it is not determined which end in favour of another.
    """
    return [
        *_of_ends(simulated, calm, one_of_them),
        *_of_steps(simulated, calm, one_of_them),
        *_of_index(simulated),
        *wrongs_of_entities(simulated, calm),
        *wrongs_of_limits(simulated),
        *(wrong for run_id in simulated.journals for wrong in _of_journal(simulated, run_id)),
        *_of_effects(simulated, once_at_most),
        *_of_audit(simulated),
        *_of_letters(simulated, calm),
    ]


def _of_ends(simulated: Simulated, calm: Simulated, one_of_them: frozenset[str]) -> Wrongs:
    expected, found = _told_ends(calm, one_of_them), _told_ends(simulated, one_of_them)
    for run_id in sorted(expected.keys() | found.keys()):
        if expected.get(run_id) != found.get(run_id):
            yield f"{run_id} ended with {found.get(run_id)}, not with {expected.get(run_id)}"


def _told_ends(simulated: Simulated, one_of_them: frozenset[str]) -> dict[str, object]:
    return {
        run_id: end.model_copy(update={"at": 0.0})
        for run_id, end in simulated.ends.items()
        if simulated.component_of(run_id) not in one_of_them
    }


def _of_steps(simulated: Simulated, calm: Simulated, one_of_them: frozenset[str]) -> Wrongs:
    """See that each run has done its steps, once: what undoes others, where it failed or was cancelled, as well."""
    for run_id in sorted(calm.journals.keys() & simulated.journals.keys()):
        expected, found = _steps(calm, run_id), _steps(simulated, run_id)
        if expected != found and simulated.component_of(run_id) not in one_of_them:
            yield f"{run_id} has done {sorted(found.elements())}, not {sorted(expected.elements())}"


def _steps(simulated: Simulated, run_id: str) -> Counter[tuple[str, str]]:
    records = [entry.record for entry in simulated.journals[run_id]]
    return Counter((one.key, str(one.result)) for one in records if isinstance(one, StepSettled))


def _of_index(simulated: Simulated) -> Wrongs:
    """See that the index of runs shows each run as its journal has it."""
    ends: dict[str, str] = {run_id: end.end for run_id, end in simulated.ends.items()}
    for run_id in sorted(ends.keys() | simulated.shown.keys()):
        if ends.get(run_id) != simulated.shown.get(run_id):
            yield f"{run_id} is shown as {simulated.shown.get(run_id)}, and ended {ends.get(run_id)}"


# --- Journals -----------------------------------------------------------------------------------------


def _of_journal(simulated: Simulated, run_id: str) -> Wrongs:
    entries = simulated.journals[run_id]
    records = [entry.record for entry in sorted(entries, key=lambda entry: entry.number)]
    yield from _of_places(run_id, entries, simulated.claims[run_id])
    if not isinstance(records[0], RunStarted):
        yield f"{run_id} does not begin with its start"
    if [isinstance(record, RunFinished) for record in records].index(True) != len(records) - 1:
        yield f"{run_id} goes on behind its end"
    epochs = [taken.epoch for taken in simulated.claims[run_id]]
    if epochs != list(range(1, len(epochs) + 1)):
        yield f"{run_id} was claimed as {epochs}"
    yield from _of_keys(run_id, records)
    yield from _of_writers(run_id, entries, simulated.claims[run_id])


def _of_places(run_id: str, entries: list[Entry], claims: list[Taken]) -> Wrongs:
    """See that each place has one entry, but those that a runner had taken which was lost before it could write there."""
    places = sorted(entry.number for entry in entries)
    if len(set(places)) != len(places):
        yield f"{run_id} has places with several entries: {places}"
    begun = (
        min((entry.number for entry in entries if entry.sequence > one.sequence), default=0) for one in claims
    )
    if set(range(max(begun), places[-1])) - set(places):
        yield f"{run_id} has places that are empty: {places}"


def _of_keys(run_id: str, records: list[JournalRecord]) -> Wrongs:
    begun: set[str] = set()
    ended: set[str] = set()
    failed: Counter[str] = Counter()
    for record in records:
        match record:
            case CallIntended():
                if record.key in begun | ended:
                    yield f"{run_id} begins {record.key} twice, or after its end"
                begun.add(record.key)
            case StepSettled() | CallSettled() | ValueDrawn() | HandedOff():
                if record.key in ended:
                    yield f"{run_id} ends {record.key} twice"
                ended.add(record.key)
            case ActAttemptFailed():
                failed[record.key] += 1
                if record.key in ended or record.attempt != failed[record.key]:
                    yield f"{run_id} has attempt {record.attempt} of {record.key} fail as number {failed[record.key]}, or after its end"
            case ActGivenUp():
                begun.discard(record.key)
            case _:
                pass
    if begun - ended and not _was_given_up(records):
        yield f"{run_id} never ended {sorted(begun - ended)}"


def _was_given_up(records: list[JournalRecord]) -> bool:
    last = records[-1]
    return isinstance(last, RunFinished) and last.end != "completed"


def _of_writers(run_id: str, entries: list[Entry], claims: list[Taken]) -> Wrongs:
    """See that whoever took the run up was its newest owner when saying so."""
    for entry in entries:
        if isinstance(entry.record, RunResumed):
            owner = next((taken for taken in reversed(claims) if taken.sequence < entry.sequence), None)
            if owner is None or (owner.epoch, owner.runner) != (entry.record.epoch, entry.record.runner):
                yield f"{run_id} was taken up by {entry.record}, while it was in the hands of {owner}"


def _owner(claims: list[Taken], at_s: float) -> Taken | None:
    return next((taken for taken in reversed(claims) if taken.at_s <= at_s), None)


# --- Effects ------------------------------------------------------------------------------------------


def _of_effects(simulated: Simulated, once_at_most: frozenset[str]) -> Wrongs:
    """See that nothing whose end is journaled is done again, but by those who could not know of it."""
    ended: dict[str, tuple[str, Entry]] = {}
    for run_id, entries in simulated.journals.items():
        ended |= {of: (run_id, entry) for entry in entries if (of := _effect_of(run_id, entry.record))}
    for effect in simulated.effects:
        if effect.of not in ended:
            continue
        run_id, entry = ended[effect.of]
        if effect.at_s > entry.at_s and not _may_not_know(effect, entry, simulated.claims[run_id]):
            yield f"{entry.record} of {run_id} was stored at {entry.at_s:.4f}, and done again: {effect}"
    times = Counter(effect.of for effect in simulated.effects)
    for of, (run_id, entry) in ended.items():
        record = entry.record
        if isinstance(record, CallSettled) and record.target in once_at_most and times[of] > 1:
            yield f"{record.target} of {run_id} was done {times[of]} times"


def _effect_of(run_id: str, record: JournalRecord) -> str | None:
    match record:
        case StepSettled(result=str() as name):
            return step_effect(run_id, name)
        case ActAttemptFailed(act="step"):
            return step_effect(run_id, f"{record.key} {record.attempt}")
        case CallSettled():
            return identity.call_id(run_id, record.key)
        case _:
            return None


def _may_not_know(effect: Effect, entry: Entry, claims: list[Taken]) -> bool:
    """Tell whether whoever did it could not know that its end was stored.

    A step is done by a runner from whom the run has been taken; a call by a tool-runner that looked before, since no
    look is as new as what it leads to.
    """
    if isinstance(entry.record, CallSettled):
        return effect.at_s - entry.at_s < _LOOK_S
    owner = _owner(claims, effect.at_s)
    return owner is not None and owner.runner != effect.by


# --- What is told -------------------------------------------------------------------------------------


def _of_audit(simulated: Simulated) -> Wrongs:
    written = sorted(
        (entry.sequence, run_id, entry.record)
        for run_id, entries in simulated.journals.items()
        for entry in entries
    )
    expected = [(sequence, run_id, record.at, _key(record)) for sequence, run_id, record in written]
    told = [(event.source_sequence, event.run_id, event.at, event.key) for event in simulated.told]
    if told != expected:
        odd = next(
            (pair for pair in zip(told, expected, strict=False) if pair[0] != pair[1]),
            (len(told), len(expected)),
        )
        yield f"the audit trail differs from the journals: told and written {odd}"


def _key(record: JournalRecord) -> str | None:
    return vars(record).get("key")


def _of_letters(simulated: Simulated, calm: Simulated) -> Wrongs:
    expected, found = _letters(calm), _letters(simulated)
    for letter, times in (found - expected).items():
        yield f"there is a dead letter ({times} more than expected): {letter}"
    for letter, times in (expected - found).items():
        yield f"there is no dead letter ({times} fewer than expected): {letter}"


def _letters(simulated: Simulated) -> Counter[tuple[str, str]]:
    return Counter((letter.subject, letter.reason) for letter in simulated.dead)
