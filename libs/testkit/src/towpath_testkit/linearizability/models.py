"""What things do when operations come one after the other; a state is anything that can be hashed, but None."""

from collections.abc import Hashable
from typing import Protocol, TypeVar

from towpath_testkit.linearizability.history import Operation

State = TypeVar("State", bound=Hashable)


class Model(Protocol[State]):
    """One kind of thing."""

    @property
    def initial(self) -> State:
        """What it is before the first operation."""
        ...

    def after(self, state: State, operation: Operation) -> State | None:
        """Tell what it is after an operation; None if the operation cannot have had its output here.

        An open operation has no output, so whatever it does can be.
        """
        ...


class Register:
    """Holds a number: `read()` it, `write(value)`, and `swap(expected, value)`, which says whether it did."""

    initial = 0

    def after(self, state: int, operation: Operation) -> int | None:
        """See `Model.after`."""
        match operation.name, operation.arguments:
            case "read", ():
                return _seen(state, operation, state)
            case "write", (int(value),):
                return value
            case "swap", (int(expected), int(value)):
                swaps = state == expected
                return _seen(value if swaps else state, operation, swaps)
            case _:
                raise ValueError(f"a register knows no such operation: {operation}")


class GrowingSet:
    """Holds what was added, in its order: `add(item)` returns how much there is then, `items()` returns all."""

    initial: tuple[object, ...] = ()

    def after(self, state: tuple[object, ...], operation: Operation) -> tuple[object, ...] | None:
        """See `Model.after`."""
        match operation.name, operation.arguments:
            case "items", ():
                return _seen(state, operation, state)
            case "add", (item,):
                return _seen((*state, item), operation, len(state) + 1)
            case _:
                raise ValueError(f"a growing set knows no such operation: {operation}")


class Bank:
    """Holds accounts by number, none of which may be overdrawn.

    `transfer(source, target, amount)` says whether the source had as much, `balance(account)` tells one account, and
    `balances()` all of them.
    """

    def __init__(self, accounts: int, *, each: int) -> None:
        self.initial = (each,) * accounts

    def after(self, state: tuple[int, ...], operation: Operation) -> tuple[int, ...] | None:
        """See `Model.after`."""
        match operation.name, operation.arguments:
            case "balances", ():
                return _seen(state, operation, state)
            case "balance", (int(account),):
                return _seen(state, operation, state[account])
            case "transfer", (int(source), int(target), int(amount)):
                enough = state[source] >= amount
                return _seen(_moved(state, source, target, amount) if enough else state, operation, enough)
            case _:
                raise ValueError(f"a bank knows no such operation: {operation}")


def _moved(state: tuple[int, ...], source: int, target: int, amount: int) -> tuple[int, ...]:
    after = list(state)
    after[source] -= amount
    after[target] += amount
    return tuple(after)


def _seen(after: State, operation: Operation, output: object) -> State | None:
    return after if operation.is_open or operation.output == output else None
