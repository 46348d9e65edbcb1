"""`python -m towpath_testkit.simulation --seed 17`: repeat a simulation, and print what happened and what is wrong."""

import argparse
import sys

from towpath_testkit.simulation.examining import examine, play


def main() -> int:
    """Simulate; return how many seeds something is wrong with."""
    parser = argparse.ArgumentParser(prog="just simulate", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="which simulation, or the first of several")
    parser.add_argument("--count", type=int, default=1, help="how many seeds, from this one on")
    told = parser.parse_args()
    found = 0
    for seed in range(told.seed, told.seed + told.count):
        report = examine(seed)
        found += report is not None
        if report is not None:
            _say(report)
        elif told.count == 1:
            _say("\n".join([*play(seed).log, f"seed {seed}: nothing is wrong"]))
    if told.count > 1:
        _say(f"{told.count} seeds, {found} of them wrong")
    return min(found, 1)


def _say(what: str) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
