"""A seed is a story that can be told again: what happens depends on nothing else."""

import os
import subprocess
import sys

from towpath_testkit.simulation.examining import play

SEED = 3
TELL = f"from towpath_testkit.simulation.examining import play; print(play({SEED}).fingerprint)"


def told_elsewhere(hash_seed: str) -> str:
    """Simulate in a process of its own, whose sets and dicts are in another order."""
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}  # noqa: TID251 - a process like this one
    ran = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", TELL], env=environment, capture_output=True, text=True, check=True
    )
    return ran.stdout.strip()


def test_the_same_seed_gives_the_same_run_event_for_event() -> None:
    first, second = play(SEED), play(SEED)

    assert second.fingerprint == first.fingerprint
    assert second.log == first.log


def test_the_same_seed_gives_the_same_run_in_another_process() -> None:
    assert {told_elsewhere("1"), told_elsewhere("2")} == {play(SEED).fingerprint}


def test_another_seed_gives_another_run() -> None:
    assert play(SEED + 1).fingerprint != play(SEED).fingerprint
