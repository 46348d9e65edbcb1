"""The checker finds what is wrong, and nothing else."""

import itertools
import math
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from towpath_testkit.linearizability.checking import fault_in
from towpath_testkit.linearizability.history import Operation
from towpath_testkit.linearizability.models import Bank, GrowingSet, Model, Register

BANK = Bank(3, each=10)


def op(said: str, output: Any, called: float, returned: float = math.inf, key: str = "k") -> Operation:
    """Write an operation: `op("write 1", None, 0, 5)`."""
    name, *arguments = said.split()
    return Operation(key, name, tuple(map(int, arguments)), output, called, returned)


DONE, REFUSED = True, False
WIDTH = 4
LENGTH = 400

GOOD: dict[str, tuple[Model[Any], list[Operation]]] = {
    "nothing": (Register(), []),
    "reads between writes": (
        Register(),
        [op("read", 0, 0, 1), op("write 1", None, 2, 3), op("read", 1, 4, 5)],
    ),
    "a read that overlaps a write may see it": (
        Register(),
        [op("write 1", None, 0, 10), op("read", 1, 1, 2), op("read", 1, 3, 4)],
    ),
    "a read that overlaps a write may miss it": (
        Register(),
        [op("write 1", None, 0, 10), op("read", 0, 1, 2), op("read", 1, 3, 4)],
    ),
    "an open write that happened late": (
        Register(),
        [op("write 1", None, 0), op("write 2", None, 1, 2), op("read", 2, 3, 4), op("read", 1, 5, 6)],
    ),
    "an open write that never happened": (
        Register(),
        [op("write 1", None, 0), op("read", 0, 1, 2), op("read", 0, 3, 4)],
    ),
    "swaps of which one wins": (
        Register(),
        [op("swap 0 1", DONE, 0, 10), op("swap 0 2", REFUSED, 0, 10), op("read", 1, 5, 6)],
    ),
    "additions in an order that only their outputs tell": (
        GrowingSet(),
        [op("add 1", 2, 0, 9), op("add 2", 1, 0, 9), op("items", (2, 1), 10, 11)],
    ),
    "an open addition that others have counted": (
        GrowingSet(),
        [op("add 1", None, 0), op("add 2", 2, 1, 2), op("items", (1, 2), 3, 4)],
    ),
    "transfers": (
        BANK,
        [
            op("transfer 0 1 7", DONE, 0, 1),
            op("transfer 0 1 7", REFUSED, 2, 3),
            op("balances", (3, 17, 10), 4, 5),
            op("balance 1", 17, 4, 5),
        ],
    ),
    "things that have nothing to do with each other": (
        Register(),
        [op("write 1", None, 0, 1, key="a"), op("read", 0, 2, 3, key="b")],
    ),
}

BAD: dict[str, tuple[Model[Any], list[Operation]]] = {
    "a stale read": (Register(), [op("write 1", None, 0, 1), op("read", 0, 2, 3)]),
    "reads that go back": (
        Register(),
        [op("write 1", None, 0, 10), op("read", 1, 1, 2), op("read", 0, 3, 4)],
    ),
    "a value from nowhere": (Register(), [op("write 1", None, 0, 1), op("read", 2, 2, 3)]),
    "a write before it was called": (Register(), [op("read", 1, 0, 1), op("write 1", None, 2, 3)]),
    "two swaps that both win": (Register(), [op("swap 0 1", DONE, 0, 10), op("swap 0 2", DONE, 0, 10)]),
    "an open write that happens twice": (
        Register(),
        [
            op("write 1", None, 0),
            op("read", 1, 1, 2),
            op("write 2", None, 3, 4),
            op("read", 2, 5, 6),
            op("read", 1, 7, 8),
        ],
    ),
    "a lost update": (
        GrowingSet(),
        [op("add 1", 1, 0, 5), op("add 2", 1, 0, 5), op("items", (2,), 6, 7)],
    ),
    "an addition that was applied twice": (
        GrowingSet(),
        [op("add 1", 1, 0, 1), op("items", (1, 1), 2, 3)],
    ),
    "a repeated addition that was applied twice": (
        GrowingSet(),
        [op("add 1", None, 0), op("add 2", 3, 1, 2), op("items", (1, 1, 2), 3, 4)],
    ),
    "half a transfer": (BANK, [op("transfer 0 1 5", None, 0), op("balances", (5, 10, 10), 1, 2)]),
    "halves of a transfer, seen one before the other": (
        BANK,
        [op("transfer 0 1 5", DONE, 0, 9), op("balance 1", 15, 1, 2), op("balance 0", 10, 3, 4)],
    ),
    "an overdrawn account": (
        BANK,
        [op("transfer 0 1 7", DONE, 0, 9), op("transfer 0 2 7", DONE, 0, 9)],
    ),
}


@pytest.mark.parametrize(("model", "history"), GOOD.values(), ids=GOOD)
def test_what_can_have_happened_is_no_fault(model: Model[Any], history: list[Operation]) -> None:
    assert fault_in(history, model) is None


@pytest.mark.parametrize(("model", "history"), BAD.values(), ids=BAD)
def test_what_cannot_have_happened_is_found(model: Model[Any], history: list[Operation]) -> None:
    assert fault_in(history, model) is not None


def test_a_fault_tells_what_can_be_explained_and_what_cannot() -> None:
    written, stale = op("write 1", None, 0, 1), op("read", 0, 2, 3)

    fault = fault_in([stale, written], Register())

    assert fault is not None
    assert (fault.taken, fault.refused, fault.state) == ((written,), (stale,), 1)
    assert "k.read() at 2.0000 -> 0 at 3.0000" in str(fault)


# --- Against trying every order -------------------------------------------------------------------

small_histories = st.lists(
    st.tuples(
        st.sampled_from(["read", "write 1", "write 2", "swap 1 2", "swap 2 0"]),
        st.sampled_from([0, 1, 2, True, False]),
        st.integers(0, 6),
        st.integers(1, 4),
        st.booleans(),
    ),
    max_size=5,
)


def explained(history: list[Operation], model: Model[Any]) -> bool:
    """Try every order of every choice of open operations."""
    closed = [one for one in history if not one.is_open]
    opened = [one for one in history if one.is_open]
    return any(
        is_in_time(order) and is_as_the_model_says(order, model)
        for count in range(len(opened) + 1)
        for chosen in itertools.combinations(opened, count)
        for order in itertools.permutations([*closed, *chosen])
    )


def is_in_time(order: tuple[Operation, ...]) -> bool:
    return all(later.returned >= one.called for one, later in itertools.combinations(order, 2))


def is_as_the_model_says(order: tuple[Operation, ...], model: Model[Any]) -> bool:
    state = model.initial
    for operation in order:
        state = model.after(state, operation)
        if state is None:
            return False
    return True


@settings(deadline=None)
@given(small_histories)
def test_it_agrees_with_trying_every_order(drawn: list[tuple[str, Any, int, int, bool]]) -> None:
    history = [
        op(said, None if said.startswith("write") else output, at, math.inf if is_open else at + length)
        for said, output, at, length, is_open in drawn
    ]
    assert (fault_in(history, Register()) is None) == explained(history, Register())


# --- Long histories ---------------------------------------------------------------------------------


def lived(
    model: Model[Any], choose: Callable[[random.Random], str], count: int, seed: int
) -> list[Operation]:
    """Have about four callers at a time do what the model does, some of whom never hear how it ended."""
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    state, history = model.initial, list[Operation]()
    for happens in range(count):
        said = choose(chance)
        known = chance.random() > 0.02
        called, returned = happens - chance.random() * WIDTH, happens + chance.random() * WIDTH
        if not known and chance.random() < 0.5:
            history.append(op(said, None, called))  # it never happened
            continue
        probe = op(said, None, called)
        output = output_of(model, state, probe)
        state = model.after(state, probe)
        history.append(op(said, output, called, returned) if known else probe)
    return history


def output_of(model: Model[Any], state: Any, asked: Operation) -> Any:
    """Ask the model which of the outputs there can be is the right one."""
    candidates = [*range(40), state]
    is_yes_or_no = asked.name in {"swap", "transfer"}
    for output in [True, False] if is_yes_or_no else candidates:
        tried = Operation(asked.key, asked.name, asked.arguments, output, asked.called, asked.called)
        if asked.name != "write" and model.after(state, tried) is not None:
            return output
    return None


def on_a_register(chance: random.Random) -> str:
    return chance.choice(
        ["read", f"write {chance.randrange(5)}", f"swap {chance.randrange(5)} {chance.randrange(5)}"]
    )


def on_a_bank(chance: random.Random) -> str:
    source, target = chance.sample(range(3), 2)
    return chance.choice(
        [f"balance {source}", "balances", f"transfer {source} {target} {chance.randrange(9)}"]
    )


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("model", "choose"), [(Register(), on_a_register), (BANK, on_a_bank)])
def test_long_histories_with_open_operations_are_explained(
    model: Model[Any], choose: Callable[[random.Random], str], seed: int
) -> None:
    history = lived(model, choose, LENGTH, seed)

    assert fault_in(history, model) is None


@pytest.mark.parametrize("seed", range(3))
def test_one_wrong_balance_in_a_long_history_is_found(seed: int) -> None:
    history = lived(BANK, on_a_bank, LENGTH, seed)
    at = next(
        n for n in range(LENGTH // 2, LENGTH) if history[n].name == "balances" and not history[n].is_open
    )
    right = history[at]
    wrong = (right.output[0] + 100, right.output[1] - 100, right.output[2])
    history[at] = Operation(right.key, right.name, (), wrong, right.called, right.returned)

    assert fault_in(history, BANK) is not None
