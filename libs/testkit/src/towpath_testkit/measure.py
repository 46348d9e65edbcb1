"""How the benchmark measures: CPU seconds of processes, medians, and a floor to compare with."""

import os
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    """Read the CPU seconds that a process has used, in user and system mode."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * _TICK_S


@dataclass(frozen=True)
class Cost:
    """What some work cost: wall seconds, and CPU seconds by process."""

    wall_s: float
    cpu: Mapping[str, float]

    @property
    def total_cpu_s(self) -> float:
        """CPU seconds of all processes."""
        return sum(self.cpu.values())


class Meter:
    """Measures between `start` and `stop`."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._pids = pids
        self._began = 0.0
        self._before: dict[str, float] = {}

    def start(self) -> None:
        """Begin to measure."""
        self._before = self._read()
        self._began = time.perf_counter()

    def lap(self) -> float:
        """Tell the wall seconds since the start."""
        return time.perf_counter() - self._began

    def stop(self, wall_s: float | None = None) -> Cost:
        """Tell what was used since the start; `wall_s` if the wall clock was stopped earlier."""
        wall = self.lap() if wall_s is None else wall_s
        return Cost(wall, {name: used - self._before[name] for name, used in self._read().items()})

    def _read(self) -> dict[str, float]:
        return {name: cpu_s(pid) for name, pid in self._pids.items()}


def quantiles_ms(seconds: Sequence[float]) -> dict[str, float]:
    """Tell the median and the 99th percentile, in milliseconds."""
    ordered = sorted(seconds)
    return {
        "p50_ms": round(statistics.median(ordered) * 1e3, 2),
        "p99_ms": round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))] * 1e3, 2),
    }
