"""A sandbox of the kernel's own means: processes in namespaces of their own, with limits; nothing has to be installed."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from base64 import b64decode, b64encode
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path, PurePosixPath
from typing import IO, Any

from towpath.errors import ConfigurationError, SandboxUnavailableError
from towpath.tools.sandbox.port import Ended, SandboxLimits, SandboxResult

_LAUNCHER = Path(__file__).with_name("launcher.py")
_SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", "/dev/null", "/dev/zero", "/dev/urandom")
_FOR_NETWORK = ("/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/ssl")
_APART = ("files of this machine", "processes of this machine", "environment")
_START_S = 5.0
"""Seconds that building the sandbox may take, beside those of the code."""
_CHUNK_BYTES = 65_536


class SubprocessSandbox:
    """Runs Python code in processes that see Python, the system's programs and a folder of their own; Linux only.

    The folder is in memory, and gone afterwards. Everything in `SandboxLimits` is enforced by the kernel: with
    namespaces for mounts, processes, network and IPC, and resource limits. That takes either root with
    `CAP_SYS_ADMIN`, or a kernel that gives user namespaces to everybody. Where it does not, nothing is run.

    It is no virtual machine: code that finds a fault in the kernel gets out.

    Args:
        limits: Those of code for which a call gives none.
        python: What runs the code; the Python of this process if not given.
    """

    def __init__(self, limits: SandboxLimits | None = None, *, python: str = sys.executable) -> None:
        self._limits = limits or SandboxLimits()
        self._python = python

    async def run(
        self, code: str, files: Mapping[str, bytes] | None = None, limits: SandboxLimits | None = None
    ) -> SandboxResult:
        """Run code; see `Sandbox`.

        Raises:
            SandboxUnavailableError: If a limit cannot be enforced here; then nothing was run.
            ConfigurationError: If the name of a file leads out of the folder.
        """
        within = limits or self._limits
        inputs = {_inside(name): b64encode(content).decode() for name, content in (files or {}).items()}
        reading, writing = os.pipe()
        with os.fdopen(reading, "rb") as report:
            try:
                process = await self._begun(writing)
            finally:
                os.close(writing)
            try:
                return await _Running(process, report, within).ended(
                    self._asked(code, inputs, within, writing)
                )
            finally:
                await _stop(process)

    async def _begun(self, report: int) -> Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-S",
            str(_LAUNCHER),
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env={},
            cwd="/",
            pass_fds=(report,),
            start_new_session=True,
        )

    def _asked(self, code: str, inputs: Mapping[str, str], limits: SandboxLimits, report: int) -> bytes:
        asked = {
            **asdict(limits),
            "code": code,
            "inputs": inputs,
            "python": self._python,
            "readable": [*_SYSTEM, *_prefixes(self._python), *(_FOR_NETWORK if limits.network else ())],
            "report": report,
        }
        return json.dumps(asked).encode()


def _inside(name: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise ConfigurationError(f"files: {name!r} leads out of the sandbox's folder; give a path within it")
    return str(path)


def _prefixes(python: str) -> list[str]:
    """Name the folders in which a Python lies, but for those within others."""
    found = {str(Path(one).resolve()) for one in (sys.prefix, sys.base_prefix, Path(python).parent.parent)}
    others = {*found, *_SYSTEM}
    return sorted(
        one for one in found if not any(one != other and one.startswith(f"{other}/") for other in others)
    )


class _Running:
    """Code that runs: what it prints is read, and it is stopped where it prints too much."""

    def __init__(self, process: Process, report: IO[bytes], limits: SandboxLimits) -> None:
        self._process = process
        self._report = report
        self._limits = limits
        self._room = limits.output_bytes
        self._overflown = False

    async def ended(self, asked: bytes) -> SandboxResult:
        process = self._process
        assert process.stdout and process.stderr  # noqa: S101, PT018 - they are pipes
        try:
            async with asyncio.timeout(self._limits.wall_s + _START_S), asyncio.TaskGroup() as reading:
                output = reading.create_task(self._read(process.stdout))
                errors = reading.create_task(self._read(process.stderr))
                said = reading.create_task(self._reported())
                await self._tell(asked)
        except TimeoutError:
            return SandboxResult("time", None, "", "")
        return self._result(output.result(), errors.result(), said.result())

    async def _tell(self, asked: bytes) -> None:
        stdin = self._process.stdin
        assert stdin is not None  # noqa: S101 - it is a pipe
        with suppress(ConnectionError):
            stdin.write(asked)
            await stdin.drain()
            stdin.close()

    async def _read(self, stream: asyncio.StreamReader) -> str:
        read = bytearray()
        while chunk := await stream.read(_CHUNK_BYTES):
            read += chunk[: self._room]
            self._room -= len(chunk)
            if self._room < 0:
                self._room, self._overflown = 0, True
                _kill(self._process)
        return read.decode(errors="replace")

    async def _reported(self) -> dict[str, Any]:
        stream = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(stream), self._report
        )
        try:
            return json.loads(await stream.read())
        except ValueError:  # whoever writes it was ended
            return {}
        finally:
            transport.close()

    def _result(self, output: str, errors: str, said: Mapping[str, Any]) -> SandboxResult:
        if self._overflown:
            return SandboxResult("output", None, output, errors)
        if "status" not in said:
            why = (
                said.get("refused")
                or errors.strip().rpartition("\n")[2]
                or "the launcher ended without a word"
            )
            raise SandboxUnavailableError(why)
        code: int | None = said["status"]
        ended: Ended = said["why"] or ("done" if code == 0 else "failed")
        files = (
            {name: b64decode(content) for name, content in said["files"].items()} if code is not None else {}
        )
        return SandboxResult(
            ended, code, output, errors, files, self._enforced(total_memory=said["total_memory"])
        )

    def _enforced(self, *, total_memory: bool) -> tuple[str, ...]:
        limits = [one.name for one in fields(self._limits) if one.name not in {"network", "memory_bytes"}]
        memory = "memory_bytes" if total_memory else "memory_bytes of each process"
        return (*limits, memory, *_APART, *(() if self._limits.network else ("network",)))


def _kill(process: Process) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


async def _stop(process: Process) -> None:
    """End what still runs, and wait for it."""
    _kill(process)
    await process.wait()
