"""What must hold of the entities in every simulation: what was written, once, in one order that all have seen."""

from collections.abc import Generator, Iterable
from itertools import chain
from typing import Any

from towpath_schemas.journal import CallIntended, CallSettled, JournalRecord
from towpath_schemas.sessions import SESSION_TYPE
from towpath_schemas.transactions import TRANSACTION
from towpath_testkit.linearizability.checking import fault_in
from towpath_testkit.linearizability.history import Operation
from towpath_testkit.linearizability.models import Bank, GrowingSet
from towpath_testkit.simulation.calling import Call
from towpath_testkit.simulation.seen import Entry, Place, Simulated, State
from towpath_testkit.simulation.shared_offered import FUNDS

Wrongs = Generator[str]

_PURSES = ("east", "west")
_BANK = "bank"


def wrongs_of_entities(simulated: Simulated, calm: Simulated) -> Wrongs:
    """List what is wrong with entities, in sentences; `calm` is the same, when nothing goes wrong."""
    yield from _of_states(simulated, calm)
    yield from _of_copies(simulated)
    operations = list(_operations(simulated))
    chronicles = [one for one in operations if one.key != _BANK]
    banks = [one for one in operations if one.key == _BANK]
    for kind, model in ((chronicles, GrowingSet()), (banks, Bank(len(_PURSES), each=FUNDS))):
        if (fault := fault_in(kind, model)) is not None:
            yield f"entities did not do one thing after the other: {fault}"


def _of_states(simulated: Simulated, calm: Simulated) -> Wrongs:
    """See that every write is there once: in which order, is not determined."""
    for place in sorted(calm.states.keys() | simulated.states.keys()):
        expected, found = _content(calm.states, place), _content(simulated.states, place)
        if expected != found:
            yield f"{place} holds {found} in the end, not {expected}"


def _content(states: dict[Place, State], place: Place) -> Any:
    values = states.get(place, State(0, {})).values
    match place[0]:
        case "Chronicle":
            return sorted(values.get("items", []))
        case entity_type if entity_type == SESSION_TYPE:
            return _turns(values)
        case _:
            return values


def _turns(values: dict[str, Any]) -> Any:
    """Tell what was said and answered; one turn comes after the other, whichever is first."""
    said = [
        (event["role"], event["content"])
        for _, event in sorted(
            (int(name.partition(":")[2]), event)
            for name, event in values.items()
            if name.startswith("event:")
        )
    ]
    return sorted(zip(said[::2], said[1::2], strict=False)), len(said)


def _of_copies(simulated: Simulated) -> Wrongs:
    """See that a copy in Redis that says it is the newest one is."""
    for place, copy in simulated.copies.items():
        truth = simulated.states.get(place, State(0, {}))
        if copy.number > truth.number or (copy.number == truth.number and copy != truth):
            yield f"the copy of {place} in Redis is {copy}, and its log says {truth}"


# --- What was seen ------------------------------------------------------------------------------------


def _operations(simulated: Simulated) -> Generator[Operation]:
    for called in simulated.called:
        yield _operation(*called)
    for entries in simulated.journals.values():
        yield from _of_run(entries)
    for place, state in simulated.states.items():
        yield from _at_the_end(place, state, simulated.virtual_s)


def _at_the_end(place: Place, state: State, at_s: float) -> Generator[Operation]:
    match place:
        case ("Chronicle", key):
            yield _operation(Call("Chronicle", key, "items"), state.values["items"], at_s, at_s)
        case ("Purse", key):
            yield _operation(Call("Purse", key, "balance"), state.values["balance"], at_s, at_s)
        case _:
            pass


def _operation(call: Call, result: Any, called_s: float, returned_s: float) -> Operation:
    if call.entity_type == "Purse":
        return Operation(_BANK, call.method, (_PURSES.index(call.key),), result, called_s, returned_s)
    arguments = () if call.argument is None else (call.argument,)
    seen = tuple(result) if call.method == "items" else result
    return Operation(call.key, call.method, arguments, seen, called_s, returned_s)


def _of_run(entries: list[Entry]) -> Generator[Operation]:
    """Tell the calls that a run has recorded; one that only reads has no record of its beginning."""
    in_order = sorted(entries, key=lambda entry: entry.number)
    begun: dict[str, Entry] = {}
    for before, entry in zip(chain(in_order[:1], in_order), in_order, strict=False):
        match entry.record:
            case CallIntended(act="entity"):
                begun[entry.record.key] = entry
            case CallSettled(act="entity", key=key) as settled if key in begun:
                yield from _written(begun.pop(key), entry, settled)
            case CallSettled(act="entity", target="Chronicle.items", failure=None) as settled:
                yield _operation(Call("Chronicle", "town", "items"), settled.result, before.at_s, entry.at_s)
            case CallIntended(act="task", target="messenger", input={"item": item}):
                yield _unseen(item, entry)
            case _:
                pass
    for entry in begun.values():  # a run that is cancelled does not wait for the end of its calls
        if isinstance(entry.record, CallIntended) and entry.record.target == "Chronicle.add":
            yield _unseen(_input(entry.record)["arguments"]["*"][0], entry)


def _written(intended: Entry, settled: Entry, record: CallSettled) -> Generator[Operation]:
    called = _input(intended.record)
    if record.target == f"Purse.{TRANSACTION}":
        yield _transfer(called["arguments"]["calls"], record, intended.at_s, settled.at_s)
    elif record.target == "Chronicle.add":
        (item,) = called["arguments"]["*"]
        yield _operation(
            Call("Chronicle", called["key"], "add", item), record.result, intended.at_s, settled.at_s
        )


def _input(record: JournalRecord) -> Any:
    return record.input if isinstance(record, CallIntended) else None


def _transfer(calls: Iterable[Any], record: CallSettled, called_s: float, returned_s: float) -> Operation:
    by_method = {call["method"]: call for call in calls}
    source, target = (_PURSES.index(by_method[name]["entity_key"]) for name in ("take", "give"))
    (amount,) = by_method["take"]["arguments"]["*"]
    done = record.failure is None
    return Operation(_BANK, "transfer", (source, target, amount), done, called_s, returned_s)


def _unseen(item: str, intended: Entry) -> Operation:
    """Tell a write of which nobody was told when it was done, or whether it was."""
    return Operation("town", "add", (item,), None, intended.at_s)
