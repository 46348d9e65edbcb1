"""User code of the benchmark of sessions: fills one, and measures what it costs from within a run."""

import statistics
import time
from collections.abc import Awaitable, Callable

from towpath import Context, Message, Session, workflow

WORDS = "word " * 60
_AT_ONCE = 100


@workflow
async def fill(ctx: Context, count: int) -> int:
    """Bring a session to `count` messages."""
    session = Session("bench")
    present = (await session.head()).count
    for start in range(present, count, _AT_ONCE):
        await session.append([Message(role="user", content=WORDS)] * min(_AT_ONCE, count - start))
    return count - present


@workflow
async def measure(ctx: Context, repeats: int) -> dict[str, float]:
    """Tell milliseconds, in the median, of appends and of reads of several sizes."""
    session = Session("bench")
    return {
        "append": await _median_ms(repeats, lambda: session.send_message(WORDS)),
        "history(50)": await _median_ms(repeats, lambda: session.history(50)),
        "history(500)": await _median_ms(max(3, repeats // 10), lambda: session.history(500)),
        "history()": await _median_ms(3, session.history),
    }


async def _median_ms(repeats: int, act: Callable[[], Awaitable[object]]) -> float:
    took: list[float] = []
    for _ in range(repeats):
        began = time.perf_counter()
        await act()
        took.append((time.perf_counter() - began) * 1_000)
    return round(statistics.median(took), 2)
