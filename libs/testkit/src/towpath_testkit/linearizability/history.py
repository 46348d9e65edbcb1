"""What callers saw: one operation for each call, also for those whose end nobody knows."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Operation:
    """One call of one thing.

    Attributes:
        key: Which thing; operations of different things say nothing about each other.
        name: What was to be done.
        arguments: With what.
        output: What the caller got; nothing, where the operation is open.
        called: When it was called, by one clock for all callers.
        returned: When its caller got the output. Infinity where it never got any: then the operation may have
            happened at any time since, or never.
    """

    key: str
    name: str
    arguments: tuple[Any, ...]
    output: Any
    called: float
    returned: float = math.inf

    @property
    def is_open(self) -> bool:
        """Whether nobody knows how it ended."""
        return self.returned == math.inf

    def __str__(self) -> str:
        end = "?" if self.is_open else f"{self.output!r} at {self.returned:.4f}"
        return f"{self.key}.{self.name}{self.arguments!r} at {self.called:.4f} -> {end}"


def by_key(operations: Iterable[Operation]) -> dict[str, list[Operation]]:
    """Divide a history by things, each in the order of its calls."""
    divided: dict[str, list[Operation]] = {}
    for operation in sorted(operations, key=lambda one: one.called):
        divided.setdefault(operation.key, []).append(operation)
    return divided
