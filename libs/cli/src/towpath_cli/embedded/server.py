"""What the embedded servers share: a port, a store, and a life that may be cut short and taken up again."""

import asyncio
import os
import shutil
import tempfile
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from towpath_cli.embedded.processes import ChildProcess, free_port
from towpath_cli.embedded.store_lock import lock_store


class EmbeddedServer(ABC):
    """A server on a loopback port of its own, with a store that lasts as long as the caller wants.

    Without a directory the store is a temporary one, deleted by `stop`. `kill` keeps the store, so that `start`
    or `restart` finds what was stored, on the same port.
    """

    name: ClassVar[str]

    def __init__(
        self, directory: Path | None = None, *, port: int | None = None, start_deadline_s: float = 20.0
    ) -> None:
        """Choose the port; nothing is started or written yet.

        Args:
            directory: Where the store is kept; created if missing. A temporary one if not given.
            port: The loopback port; a free one if not given.
            start_deadline_s: Seconds until a server that does not answer counts as broken.
        """
        self.port = port or free_port()
        self._kept_directory, self._temporary_directory = directory, None
        self._start_deadline_s = start_deadline_s
        self._process: ChildProcess | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """What clients connect to; the same for the life of this object."""

    @property
    def running(self) -> bool:
        """Whether its process is there, be it paused."""
        return self._process is not None and self._process.running

    @property
    def process(self) -> ChildProcess:
        """The process of the last start."""
        if self._process is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._process

    @property
    def pid(self) -> int:
        """The process id of the last start."""
        return self.process.pid

    @abstractmethod
    def _command(self, directory: Path) -> list[str]:
        """Write what configuration the server needs below `directory`, and say how to start it."""

    @abstractmethod
    async def _answers(self, pid: int) -> bool:
        """Whether the process `pid`, and no other that has the port, is ready for clients."""

    async def start(self) -> None:
        """Start it and return once it is ready for clients. Does nothing if it runs.

        Raises:
            ServerStartError: If it ends or keeps silent instead; the message has its last log lines.
            StoreInUseError: If another server works in the directory.
            BinaryMissingError: If its wheel is not installed.
        """
        if self.running:
            return
        undo = (
            self.kill if self._process else self.stop
        )  # a store that was in use before is not ours to delete
        try:
            process = self._process = self._launch(self._directory())
            await process.ready(lambda: self._answers(process.pid), deadline_s=self._start_deadline_s)
        except BaseException:
            await undo()
            raise

    async def kill(self) -> None:
        """End it as a crash would. Its store and port stay, for `start`."""
        if self._process:
            await self._process.kill()

    async def restart(self) -> None:
        """Kill it if it runs, and start it again on the same port and store."""
        await self.kill()
        await self.start()

    async def stop(self) -> None:
        """Let it end in order, and delete the store if it is a temporary one."""
        if self._process:
            await self._process.stop()
        if temporary := self._temporary_directory:
            self._temporary_directory = None
            await asyncio.to_thread(shutil.rmtree, temporary, ignore_errors=True)

    def pause(self) -> None:
        """Freeze it: connections stay open and nothing answers until `resume`."""
        self.process.pause()

    def resume(self) -> None:
        """Let it go on after `pause`."""
        self.process.resume()

    def _directory(self) -> Path:
        if self._kept_directory:
            return self._kept_directory
        if self._temporary_directory is None:
            self._temporary_directory = Path(tempfile.mkdtemp(prefix=f"towpath-{self.name}-"))
        return self._temporary_directory

    def _launch(self, directory: Path) -> ChildProcess:
        lock = lock_store(directory)
        try:
            log_path = directory / f"{self.name}.log"
            command = self._command(directory)
            process = ChildProcess(command, name=self.name, log_path=log_path, inherited=[lock])
            process.start()
        finally:
            os.close(lock)  # the process has its own copy
        return process

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


async def ask(port: int, question: bytes, *, until: bytes) -> bytes:
    """Send `question` to a loopback port and read the answer as far as `until`, inclusive.

    Raises:
        OSError: If nothing listens there.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(question)
        return await reader.readuntil(until)
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as garbled:
        raise ConnectionError(f"port {port} answers something else") from garbled
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
