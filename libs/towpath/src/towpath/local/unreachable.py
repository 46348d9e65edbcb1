"""What a run in this process answers where it would need a platform: nobody can reach it, and nothing is replayed."""

from collections.abc import Callable
from typing import Any, NoReturn

from towpath.context import Context
from towpath.errors import ContextError, ContinuedAsNewError
from towpath.scopes import named
from towpath.values import to_json_value

_NEEDS_A_RUN = "a plain script waits for nobody; run it on the platform, or in a test with towpath.testing"


class Unreachable(Context):
    """The part of a context that needs no platform, because it refuses, or has nothing to do."""

    def wait_signal(self, name: str, *, timeout_s: float | None, default: Any, key: str | None) -> NoReturn:
        """Refuse: nobody can send a signal to a script."""
        raise ContextError(f"signal {name!r}: {_NEEDS_A_RUN}")

    def emit_signal(self, name: str, payload: Any, run_id: str | None) -> NoReturn:
        """Refuse: there is no other run to send a signal to."""
        raise ContextError(f"signal {name!r}: {_NEEDS_A_RUN}")

    def request_approval(
        self, name: str, payload: Any, *, timeout_s: float | None, roles: tuple[str, ...], key: str | None
    ) -> NoReturn:
        """Refuse: nobody can be asked, and nothing is approved by itself."""
        raise ContextError(f"approval {name!r}: {_NEEDS_A_RUN}")

    def continue_as_new(self, input: Any = None) -> NoReturn:  # noqa: A002 - as in `task`
        """End this run and go on as a new one; `towpath.local.run` does so."""
        raise ContinuedAsNewError(to_json_value(input))

    def patched(self, change: str) -> bool:
        """Run the new code: nothing is replayed here."""
        named("change", change)
        return True

    def remember(self, name: str, read: Callable[[], Any]) -> Any:
        """Read a setting."""
        return read()
