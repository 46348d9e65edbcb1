"""What a sandbox is asked for, and what it tells."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Literal, Protocol

from towpath.errors import ConfigurationError

Ended = Literal["done", "failed", "time", "memory", "output"]
"""How code ended: by itself (well, or with an error), or stopped at a limit."""

_MIB = 2**20


@dataclass(frozen=True, slots=True)
class SandboxLimits:
    """How much code may use.

    Attributes:
        wall_s: Seconds until it is stopped.
        cpu_s: Seconds of processor time of each process.
        memory_bytes: Memory of all its processes together, and of each.
        file_bytes: Size of one file.
        disk_bytes: Size of all its files together; they are kept in memory.
        files: How many files and folders it may have.
        processes: How many processes and threads it may have.
        output_bytes: How much it may print.
        network: Whether it may use the network.
    """

    wall_s: float = 10.0
    cpu_s: float = 5.0
    memory_bytes: int = 256 * _MIB
    file_bytes: int = 16 * _MIB
    disk_bytes: int = 32 * _MIB
    files: int = 256
    processes: int = 32
    output_bytes: int = _MIB // 4
    network: bool = False

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if one.name != "network" and not value > 0:
                raise ConfigurationError(f"SandboxLimits({one.name}={value!r}): give a number over 0")


@dataclass(frozen=True, slots=True)
class SandboxResult:
    """What became of code.

    Attributes:
        ended: How it ended.
        exit_code: Of its process; negative for the signal that ended it; None where the sandbox stopped it.
        output: What it printed.
        errors: What it printed as errors.
        files: The files that it has written, by their path; none where the sandbox stopped it.
        enforced: The limits that were enforced, by their names in `SandboxLimits`, and what it was kept apart from.
    """

    ended: Ended
    exit_code: int | None
    output: str
    errors: str
    files: Mapping[str, bytes] = field(default_factory=dict[str, bytes])
    enforced: tuple[str, ...] = ()


class Sandbox(Protocol):
    """Runs code of which nothing is known. A seam: containers and virtual machines can stand behind it."""

    async def run(
        self,
        code: str,
        files: Mapping[str, bytes] | None = None,
        limits: SandboxLimits | None = None,
    ) -> SandboxResult:
        """Run Python code, in a folder that holds `files`, and within `limits`.

        Raises:
            SandboxUnavailableError: If a limit cannot be enforced here; then nothing was run.
        """
        ...
