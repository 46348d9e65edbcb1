"""A platform of processes on this machine, any of which may be killed and started again."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Self

from towpath_cli.embedded.processes import ChildProcess, free_port
from towpath_cli.embedded.server import ask
from towpath_cli.plan import ROLES, Plan

_READY = b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
_START_WITHIN_S = 60.0


class Platform:
    """The services of a plan, each a process of its own; broker and stores are somebody else's.

    Use it as an async context manager: all services are ready inside the block, and ended behind it.

    Attributes:
        services: The processes by name. The first of a kind has the kind's name, such as `router`; others have
            a number behind it.
    """

    def __init__(self, plan: Plan, *, roles: Sequence[str] = ROLES, drain_s: float = 15.0) -> None:
        """Describe the services; nothing is started yet.

        Args:
            plan: What they are told.
            roles: Which kinds there are; a kind that is named twice runs twice.
            drain_s: Seconds a service may take to end in order.
        """
        self.plan = plan
        self.services: dict[str, ChildProcess] = {}
        self._health_ports: dict[str, int] = {}
        self._drain_s = drain_s
        for role in roles:
            self._describe(role)

    async def add(self, role: str) -> str:
        """Start one more service of kind `role`; return its name.

        Raises:
            ServerStartError: If it ends or keeps silent instead.
        """
        name = self._describe(role)
        await self.start(name)
        return name

    async def start(self, name: str) -> None:
        """Start a service that does not run, and return once it is ready.

        Raises:
            ServerStartError: If it ends or keeps silent instead; the message has its last log lines.
        """
        process = self.services[name]
        if not process.running:
            process.start()
        await process.ready(self._answers(name), deadline_s=_START_WITHIN_S)

    async def kill(self, name: str) -> None:
        """End a service as a crash would."""
        await self.services[name].kill()

    async def stop(self, name: str) -> None:
        """Let a service end in order."""
        await self.services[name].stop(grace_s=self._drain_s)

    async def restart(self, name: str) -> None:
        """Kill a service if it runs, and start it again."""
        await self.kill(name)
        await self.start(name)

    async def is_ready(self, name: str) -> bool:
        """Whether a service says that it can do its work now."""
        try:
            return self.services[name].running and await self._answers(name)()
        except OSError:
            return False

    async def __aenter__(self) -> Self:
        # Each start comes to its end before the first failure is told, so that none is stopped half-way.
        outcomes = await asyncio.gather(*map(self.start, self.services), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                await self._stop_all()
                raise outcome
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop_all()

    async def _stop_all(self) -> None:
        await asyncio.gather(*map(self.stop, self.services))

    def _describe(self, role: str) -> str:
        taken = sum(name == role or name.startswith(f"{role}-") for name in self.services)
        name = f"{role}-{taken + 1}" if taken else role
        logs = self.plan.directory / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        self._health_ports[name] = free_port()
        command = self.plan.command_of(role, health_port=self._health_ports[name])
        self.services[name] = ChildProcess(command, name=name, log_path=logs / f"{name}.log")
        return name

    def _answers(self, name: str) -> Callable[[], Awaitable[bool]]:
        async def answers() -> bool:
            status = await ask(self._health_ports[name], _READY, until=b"\r\n")
            return status.startswith(b"HTTP/1.1 200 ")

        return answers
