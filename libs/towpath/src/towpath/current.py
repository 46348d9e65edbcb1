"""Which context the running code has: that of the component it belongs to."""

from contextvars import ContextVar

from towpath.context import Context
from towpath.errors import ContextError
from towpath.scopes import entered

_current: ContextVar[Context | None] = ContextVar("towpath_context", default=None)


def current_context() -> Context:
    """Return the context of the component that is running.

    Raises:
        ContextError: If no component is running.
    """
    context = _current.get()
    if context is None:
        raise ContextError("no component is running here; call it through a Context or a Client")
    return context


def context_or_none() -> Context | None:
    """Return the context of the component that is running, if one is."""
    return _current.get()


class running_in:  # noqa: N801 - used like a function; a class, since every step enters one
    """Make `context` the current one, at the scope of a step (the outermost by default), until the end of the block.

    Args:
        context: The context.
        scope: Empty, or ending in `/`.
        agent: The agent to which acts inside are attributed.
        attempt: Which attempt of the step it is; each names its acts from the first ordinals on.
    """

    __slots__ = ("_context", "_scope", "_token")

    def __init__(
        self, context: Context, *, scope: str = "", agent: str | None = None, attempt: int = 1
    ) -> None:
        if attempt > 1:
            context.begin_again(scope)
        self._context, self._scope = context, entered(scope, agent=agent, attempt=attempt)

    def __enter__(self) -> None:
        self._token = _current.set(self._context)
        self._scope.__enter__()

    def __exit__(self, *error: object) -> None:
        self._scope.__exit__(*error)
        _current.reset(self._token)
