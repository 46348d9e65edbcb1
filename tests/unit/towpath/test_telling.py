"""What is told of a component that streams and is tried again."""

from typing import Any

import pytest

from towpath.telling import Telling


async def told(*attempts: list[Any]) -> list[tuple[int, Any, int]]:
    """Say what is told of attempts that yield these chunks."""
    heard: list[tuple[int, Any, int]] = []

    async def tell(index: int, chunk: Any, attempt: int) -> None:
        heard.append((index, chunk, attempt))

    telling = Telling(tell)
    for number, chunks in enumerate(attempts, start=1):
        tell_of = telling.of(number)
        for index, chunk in enumerate(chunks):
            await tell_of(index, chunk)
    return heard


async def test_an_attempt_that_goes_on_in_another_process_takes_the_place_of_all_that_was_told() -> None:
    heard: list[tuple[int, Any, int]] = []

    async def tell(index: int, chunk: Any, attempt: int) -> None:
        heard.append((index, chunk, attempt))

    tell_of = Telling(tell, first=2).of(2)
    await tell_of(0, "a")
    await tell_of(1, "B")

    assert heard == [(0, "a", 2), (1, "B", 2)]


@pytest.mark.parametrize(
    ("attempts", "heard"),
    [
        ((["a", "b"],), [(0, "a", 1), (1, "b", 1)]),
        ((["a"], ["a", "b"]), [(0, "a", 1), (1, "b", 1)]),
        ((["a", "b", "c"], ["A"]), [(0, "a", 1), (1, "b", 1), (2, "c", 1), (0, "A", 2)]),
        ((["a", "b"], ["a", "B", "c"]), [(0, "a", 1), (1, "b", 1), (1, "B", 2), (2, "c", 2)]),
        ((["a"], ["A"], ["a", "b"]), [(0, "a", 1), (0, "A", 2), (0, "a", 3), (1, "b", 3)]),
        ((["a"], ["A"], ["A", "b"]), [(0, "a", 1), (0, "A", 2), (1, "b", 2)]),
        ((list[str](), ["a"]), [(0, "a", 1)]),
    ],
)
async def test_what_an_attempt_repeats_is_told_once_and_what_differs_takes_its_place(
    attempts: tuple[list[Any], ...], heard: list[tuple[int, Any, int]]
) -> None:
    assert await told(*attempts) == heard
