"""The state that code sets through its context, and what becomes of it where a step sets it."""

from collections.abc import Awaitable
from typing import Any

from towpath.context import Context
from towpath.current import running_in
from towpath.errors import ContextError
from towpath.local.state import BufferedState, Done
from towpath_schemas.entities import Changes


class StatefulContext(Context):
    """A context with state.

    What a step sets is seen inside of it at once, and outside once it has ended well: it is a part of the step's outcome,
    which is kept with it. What an attempt that failed has set is forgotten.
    """

    def __init__(self, state: BufferedState | None = None) -> None:
        super().__init__()
        self._state_in: dict[str, BufferedState] = {"": state or BufferedState({})}

    async def get(self, name: str, default: Any = None) -> Any:
        """Read a state value: of the entity in an entity's method, else of the run."""
        return self._state_seen.get(name, default)

    def set(self, name: str, value: Any) -> Awaitable[None]:
        """Write a state value; in an entity, it is committed with the method's end."""
        self._state_here.set(name, value)
        return Done()

    def delete(self, name: str) -> Awaitable[None]:
        """Remove a state value."""
        self._state_here.delete(name)
        return Done()

    @property
    def _state_seen(self) -> BufferedState:
        """The state as the running code sees it; where a step that has ended has left it behind, as it is outside."""
        return self._state_in.get(self.step_scope) or self._state_in[""]

    @property
    def _state_here(self) -> BufferedState:
        """The state that the running code changes.

        Raises:
            ContextError: If it was left behind by a step that has ended.
        """
        here = self._state_in.get(self.step_scope)
        if here is None:
            raise ContextError(
                f"step {self.step_scope.rstrip('/')!r} has ended, so nobody would keep what its code does to the state now; "
                "await in the step what it starts"
            )
        return here

    def _in_step(self, place: str, agent: str | None, attempt: int) -> "_InStep":
        """Make the block in which an attempt of the step at `place` runs; it gives the state as the step changes it."""
        scope = f"{place}/"
        running = running_in(self, scope=scope, agent=agent, attempt=attempt)
        return _InStep(running, self._state_in, scope, self._state_seen)

    def _take_changes(self, place: str, changes: Changes | None) -> None:
        """Take over what the step at `place` has changed, if that was not done."""
        if changes is not None:
            self._state_here.take(place, changes)


class _InStep:
    """The block in which a step runs; a class, since every step enters one."""

    __slots__ = ("_around", "_running", "_scope", "_state_in")

    def __init__(
        self, running: running_in, state_in: dict[str, BufferedState], scope: str, around: BufferedState
    ) -> None:
        self._running, self._state_in, self._scope, self._around = running, state_in, scope, around

    def __enter__(self) -> BufferedState:
        state = self._state_in[self._scope] = self._around.over()
        self._running.__enter__()
        return state

    def __exit__(self, *error: object) -> None:
        self._running.__exit__(*error)
        self._state_in.pop(self._scope, None)
