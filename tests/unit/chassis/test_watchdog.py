"""Code that keeps the event loop to itself is named."""

import asyncio
import time

from structlog.testing import capture_logs

from towpath_chassis.watchdog import watched_loop


def greedy(seconds: float) -> None:
    time.sleep(seconds)  # noqa: TID251 - that is what this is about


async def test_code_that_blocks_the_loop_is_named_once_and_its_end_told() -> None:
    with capture_logs() as logs, watched_loop(blocked_after_s=0.1):
        greedy(0.5)
        await asyncio.sleep(0.1)

    blocked, gone_on = logs
    assert "greedy(0.5)" in blocked["stack"]
    assert blocked["log_level"] == "error"
    assert gone_on["event"] == "the event loop goes on"
    assert gone_on["blocked_s"] >= 0.5


async def test_a_loop_that_goes_on_is_not_complained_of() -> None:
    with capture_logs() as logs, watched_loop(blocked_after_s=0.4):
        for _ in range(20):
            await asyncio.sleep(0.03)

    assert logs == []
