"""Starting, watching and ending one operating-system process; nothing here knows what the process serves."""

import asyncio
import os
import secrets
import signal
import socket
import subprocess  # (see ChildProcess: asyncio's own would tie a server to one event loop)
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

POLL_INTERVAL_S = 0.005
PROBE_TIMEOUT_S = 1.0
LOG_TAIL_LINES = 15

# Below the ports that Linux and macOS hand out to outgoing connections, or one of those could take a server's
# port between its kill and its restart.
SERVER_PORTS = range(20_000, 30_000)
_SHARES = 64  # processes that choose at the same time seldom choose from the same share of them
_chosen: deque[int] = deque(maxlen=100)

# A pipe closes however its writer ends, on every Unix and whichever thread started the child. The kernel's
# "parent death signal" is Linux only, fires when the starting *thread* ends, and needs Python code between fork
# and exec, which may deadlock in a process with threads.
GUARD = 'read -r _; kill -KILL "$1"'


class ServerStartError(Exception):
    """A server's process ended, or kept silent, before it answered."""

    def __init__(self, name: str, reason: str, log_tail: str = "") -> None:
        super().__init__(
            f"{name} did not start: {reason}" + (f"; its last words:\n{log_tail}" if log_tail else "")
        )
        self.name, self.reason, self.log_tail = name, reason, log_tail


def free_port() -> int:
    """Choose a loopback port on which nothing listens now, and that was not chosen a short while ago."""
    share = SERVER_PORTS[os.getpid() % _SHARES :: _SHARES]
    while True:
        port = secrets.choice(share)
        with socket.socket() as candidate:
            if port not in _chosen and _can_bind(candidate, port):
                _chosen.append(port)
                return port


def _can_bind(candidate: socket.socket, port: int) -> bool:
    try:
        candidate.bind(("127.0.0.1", port))
    except OSError:
        return False
    return True


class ChildProcess:
    """A process that writes to a log file and never outlives the one that started it.

    It belongs to no event loop: what a session-wide fixture started, a test with a loop of its own may kill.
    That is why the end of the process is polled, where asyncio's `Process` only wakes the loop it was made in.

    It leads a process group, so that Ctrl-C reaches only the parent, which then ends its children in order.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        log_path: Path,
        name: str | None = None,
        inherited: Sequence[int] = (),
    ) -> None:
        """Describe the process.

        Args:
            command: The program and its arguments.
            log_path: Where standard output and error are appended.
            name: What errors call it; the program's name if not given.
            inherited: File descriptors the process keeps open.
        """
        self.name = name or Path(command[0]).name
        self.log_path = log_path
        self._command, self._inherited = list(command), tuple(inherited)
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The id the operating system gave the process."""
        return self._started.pid

    @property
    def returncode(self) -> int | None:
        """How it ended (minus the signal that ended it), or None while it runs or before it was started."""
        return self._process.poll() if self._process else None

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended; a paused process runs."""
        return self._process is not None and self.returncode is None

    @property
    def log_tail(self) -> str:
        """The last lines it wrote."""
        return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:])

    @property
    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._process

    def start(self) -> None:
        """Start it, again if it has ended, and the guard that ends it with this process."""
        self._dismiss_guard()
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 (the caller's own command, no shell)
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=self._inherited,
                process_group=0,
            )
        self._guard = _guard(self._process.pid)

    async def ready(self, answers: Callable[[], Awaitable[bool]], *, deadline_s: float = 20.0) -> None:
        """Return as soon as `answers()` is true.

        Raises:
            ServerStartError: If the process ends first, or the deadline passes.
        """
        try:
            async with asyncio.timeout(deadline_s):
                while not await self._probe(answers):  # noqa: ASYNC110 (a server that starts tells nobody)
                    await asyncio.sleep(POLL_INTERVAL_S)
        except TimeoutError:
            raise ServerStartError(self.name, f"no answer within {deadline_s:g} s", self.log_tail) from None

    async def _probe(self, answers: Callable[[], Awaitable[bool]]) -> bool:
        if self.returncode is not None:
            raise ServerStartError(self.name, f"it ended with code {self.returncode}", self.log_tail)
        try:
            # What listens on a taken port may accept and say nothing, for ever.
            return await asyncio.wait_for(answers(), PROBE_TIMEOUT_S)
        except (OSError, TimeoutError):
            return False

    async def wait(self) -> int:
        """Wait for its end, and say how it ended (minus the signal that ended it)."""
        while (code := self._started.poll()) is None:  # noqa: ASYNC110 (see the class: no event loop is told)
            await asyncio.sleep(POLL_INTERVAL_S)
        self._dismiss_guard()
        return code

    async def kill(self) -> None:
        """End it at once, as a crash would, and wait for that. Does nothing if it does not run."""
        if self._process:
            self._process.kill()
            await self.wait()

    async def stop(self, *, grace_s: float = 5.0) -> None:
        """Ask it to end, wait `grace_s` seconds, then kill it. Does nothing if it does not run."""
        if self._process:
            self._process.terminate()
            self._process.send_signal(signal.SIGCONT)  # a paused process would not hear the request
            try:
                await asyncio.wait_for(self.wait(), grace_s)
            except TimeoutError:
                await self.kill()

    def pause(self) -> None:
        """Stop its clock: it keeps its memory, ports and files, and does nothing until `resume`."""
        self._started.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `pause`."""
        self._started.send_signal(signal.SIGCONT)

    def _dismiss_guard(self) -> None:
        if guard := self._guard:
            self._guard = None
            guard.kill()  # before its pipe closes: the id it guards may soon belong to another process
            guard.communicate()

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


def _guard(pid: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 (constant, but for a number)
        ["/bin/sh", "-c", GUARD, "sh", str(pid)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        process_group=0,
    )
