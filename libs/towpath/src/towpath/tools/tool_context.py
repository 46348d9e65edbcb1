"""What a tool may know of the call it serves: what the model asked for, which agent asked, and the caller's own state."""

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

from towpath.errors import ContextError
from towpath.injection import InjectedCall

Listener = Callable[[Any], None]
"""Told each piece that a tool yields before its result."""


class ToolContext(InjectedCall):
    """The call of a tool, for tools that ask for it (`tool_context: ToolContext`).

    Args:
        tool_use: What the model asked for: `{"toolUseId": ..., "name": ..., "input": {...}}`.
        agent: The agent that asked; None where the tool runs in another process than its agent.
        invocation_state: What the caller of the agent gave along; the same dict for all calls of one invocation.
        listener: Told what the tool yields.

    Attributes:
        tool_use: See above.
        invocation_state: See above; empty in another process than the agent's.
    """

    def __init__(
        self,
        tool_use: Mapping[str, Any],
        agent: Any = None,
        invocation_state: dict[str, Any] | None = None,
        *,
        listener: Listener | None = None,
    ) -> None:
        self.tool_use = dict(tool_use)
        self.invocation_state = {} if invocation_state is None else invocation_state
        self._agent = agent
        self._listener = listener

    @property
    def agent(self) -> Any:
        """The agent that asked.

        Raises:
            ContextError: If it is not in this process: on the platform, tools run on the tool-runner.
        """
        if self._agent is None:
            name = self.tool_use.get("name")
            raise ContextError(
                f"{name}: its agent is not in this process; a tool that needs its agent runs where the agent does, "
                "others take what they need as arguments"
            )
        return self._agent

    @property
    def has_agent(self) -> bool:
        """Whether the agent that asked is in this process."""
        return self._agent is not None

    @property
    def is_heard(self) -> bool:
        """Whether anybody follows the call."""
        return self._listener is not None

    def tell(self, piece: Any) -> None:
        """Tell whoever follows the call what the tool has yielded; where nobody does, nothing happens."""
        if self._listener is not None:
            self._listener(piece)


_calling: ContextVar[ToolContext | None] = ContextVar("towpath_tool_context", default=None)


class calling:  # noqa: N801 - used like a function; a class, since every tool call enters one
    """Give the tool that is called inside the block a `ToolContext`.

    It is that tool's only: what the tool itself calls gets one of its own. `calling(None)` gives none.
    """

    __slots__ = ("_given", "_token")

    def __init__(self, given: ToolContext | None) -> None:
        self._given = given

    def __enter__(self) -> None:
        self._token = _calling.set(self._given)

    def __exit__(self, *_error: object) -> None:
        _calling.reset(self._token)


def given_tool_context() -> ToolContext | None:
    """Return what the caller of the tool gave, if it gave something."""
    return _calling.get()
