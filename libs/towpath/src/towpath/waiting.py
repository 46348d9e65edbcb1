"""What a run waits for besides calls: moments, signals, people."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterable, Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, cast

from towpath.coordination import UNSET
from towpath.errors import ConfigurationError
from towpath.moments import later, moment_after
from towpath.scopes import named
from towpath.spans import MILLISECOND_S, at_most_s, lasting_s

Decision = Literal["approved", "rejected", "expired"]


@dataclass(frozen=True, slots=True)
class Approval:
    """How a person decided, or that nobody did in time.

    Attributes:
        approver: Who decided; None if nobody did.
        at: When (UTC); None if nobody did.
        comment: What they said about it.
    """

    decision: Decision
    approver: str | None = None
    at: datetime | None = None
    comment: str | None = None

    @property
    def approved(self) -> bool:
        """Whether somebody agreed."""
        return self.decision == "approved"


class Signals:
    """`ctx.signal`: call it to wait for a signal; `emit` sends one."""

    def __init__(self, context: "WaitingPort") -> None:
        self._context = context

    def __call__(
        self,
        name: str,
        timeout_ms: float | None = None,
        default: Any = UNSET,
        *,
        key: str | None = None,
    ) -> Coroutine[Any, Any, Any]:
        """Wait for a signal of this name; the earliest that nobody has waited for yet counts.

        Those of one sender come in the order in which it sent them to this run, or to one that this goes on from, by one id.

        Args:
            name: The signal's name.
            timeout_ms: Milliseconds to wait at the most; None for ever.
            default: Returned where nothing came in time.
            key: Identity in place of the ordinal.

        Returns:
            Its payload.

        Raises:
            ConfigurationError: If the name or the timeout is none.
            SignalTimeoutError: If nothing came in time and there is no default.
        """
        timeout_s = at_most_s("timeout_ms", timeout_ms, MILLISECOND_S)
        return self._context.wait_signal(named("signal", name), timeout_s=timeout_s, default=default, key=key)

    def emit(self, name: str, payload: Any = None, run_id: str | None = None) -> Coroutine[Any, Any, None]:
        """Send a signal: to one run, where it is kept until waited for, or to all of the tenant that wait for it.

        Raises:
            ConfigurationError: If the name or the id of the run is none.
        """
        if run_id is not None and (not isinstance(cast("object", run_id), str) or not run_id):
            raise ConfigurationError(
                f"signal {name!r}: run_id={run_id!r} is no id of a run; give its text, or leave it out for all runs that wait"
            )
        return self._context.emit_signal(named("signal", name), payload, run_id)


class Human:
    """`ctx.human`: ask people."""

    def __init__(self, context: "WaitingPort") -> None:
        self._context = context

    def approval(
        self,
        name: str,
        payload: Any = None,
        timeout: float | timedelta | None = None,
        required_roles: str | Iterable[str] = (),
        *,
        timeout_ms: float | None = None,
        key: str | None = None,
    ) -> Coroutine[Any, Any, Approval]:
        """Have somebody decide; the run costs nothing meanwhile.

        Args:
            name: What is to be decided, for people.
            payload: What is approved; the decision is bound to it.
            timeout: Seconds (or a timedelta) until it expires; None for never.
            required_roles: Who may decide: anybody with this role, or one of these; anybody at all if there are none.
            timeout_ms: In place of `timeout`, milliseconds.
            key: Identity in place of the ordinal.

        Raises:
            ConfigurationError: If the name, the timeout or a role is none, or there are two timeouts.
        """
        if timeout is not None and timeout_ms is not None:
            raise ConfigurationError(f"approval {name!r} has both timeout and timeout_ms; give one of them")
        timeout_s = at_most_s("timeout", timeout)
        if timeout is None:
            timeout_s = at_most_s("timeout_ms", timeout_ms, MILLISECOND_S)
        name, roles = named("approval", name), _roles(required_roles)
        return self._context.request_approval(name, payload, timeout_s=timeout_s, roles=roles, key=key)


def _roles(said: object) -> tuple[str, ...]:
    """Read one role, or several; those of a set in an order that every process has."""
    roles = cast(
        "tuple[Any, ...]", (said,) if isinstance(said, str) or not isinstance(said, Iterable) else (*said,)
    )
    if not all(isinstance(role, str) and role for role in roles):
        raise ConfigurationError(
            f"required_roles is {said!r}; give the name of a role or a list of them, or leave it out for anybody"
        )
    return tuple(sorted(roles)) if isinstance(said, AbstractSet) else roles


@dataclass(frozen=True, slots=True)
class Received:
    """A signal that has come."""

    payload: Any


class WaitingPort(ABC):
    """What code of a run may wait for, whoever runs it; a part of `Context`."""

    @property
    def signal(self) -> Signals:
        """Wait for a signal by calling it: `await ctx.signal("paid")`; send one with its `emit`."""
        return Signals(self)

    @property
    def human(self) -> Human:
        """Ask people: `await ctx.human.approval(...)`."""
        return Human(self)

    def received_signal(self, name: str) -> Coroutine[Any, Any, Received | None]:
        """Take the earliest signal of a name that has come and that nobody waited for; None where there is none.

        It waits for nothing, and records nothing but what it takes.
        """
        return _nothing()

    def timer(
        self,
        delay_ms: float | None = None,
        *,
        cron: str | None = None,
        until: datetime | None = None,
        tz: str = "UTC",
        key: str | None = None,
    ) -> Coroutine[Any, Any, None]:
        """Wait durably, for exactly one of `delay_ms`, `cron` and `until`.

        Args:
            delay_ms: Milliseconds from now.
            cron: Until the next moment of a cron expression: minute, hour, day, month, day of the week.
            until: Until this moment; one without a time zone is in `tz`.
            tz: Time zone of `cron` and `until`, such as `Europe/Amsterdam`.
            key: Identity in place of the ordinal.

        Raises:
            ConfigurationError: If the moment is not given, cannot be read, or is more than a century away.
        """
        at = moment_after(delay_ms, cron=cron, until=until, tz=tz)
        return self.wait_until(at, key=key)

    def sleep(self, seconds: float | timedelta, *, key: str | None = None) -> Coroutine[Any, Any, None]:
        """Wait durably; a run that sleeps for long holds no memory in any process.

        Args:
            seconds: How long: seconds, or a timedelta; no more than a century.
            key: Identity in place of the ordinal.

        Raises:
            ConfigurationError: If it is no span of time.
        """
        return self.wait_until(later(lasting_s("seconds", seconds)), key=key)

    @abstractmethod
    def wait_until(
        self, moment: Callable[[datetime], datetime], *, key: str | None
    ) -> Coroutine[Any, Any, None]:
        """Wait for a moment, which is computed once, from the time now; `timer` and `sleep` are its users."""

    @abstractmethod
    def wait_signal(
        self, name: str, *, timeout_s: float | None, default: Any, key: str | None
    ) -> Coroutine[Any, Any, Any]:
        """Wait for a signal; see `Signals`."""

    @abstractmethod
    def emit_signal(self, name: str, payload: Any, run_id: str | None) -> Coroutine[Any, Any, None]:
        """Send a signal; see `Signals.emit`."""

    @abstractmethod
    def request_approval(
        self, name: str, payload: Any, *, timeout_s: float | None, roles: tuple[str, ...], key: str | None
    ) -> Coroutine[Any, Any, Approval]:
        """Have somebody decide; see `Human.approval`."""


async def _nothing() -> None:
    """Find that nothing has come, where nothing can."""
