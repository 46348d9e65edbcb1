"""Plugins: hooks and tools that belong together, given to an agent as one thing."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar, overload

from towpath.agents.hooks import HookEvent, HookRegistry
from towpath.errors import RegistrationError
from towpath.tools.method_tool import MethodTool
from towpath.tools.tool import Tool

Method = TypeVar("Method", bound=Callable[..., Any])
_MARK = "__towpath_hears__"


class _Marked(NamedTuple):
    """What a method hears, and whether it goes on hearing after a handoff."""

    event_type: Any
    stays: bool


@overload
def hook(method: Method, /) -> Method: ...
@overload
def hook(
    method: None = None,
    /,
    *,
    event_type: type[HookEvent] | Sequence[type[HookEvent]] | None = None,
    stays: bool = False,
) -> Callable[[Method], Method]: ...


def hook(method: Any = None, /, *, event_type: Any = None, stays: bool = False) -> Any:
    """Mark a method of a plugin as a callback; see `HookRegistry.add_callback`."""

    def marked(method: Method) -> Method:
        setattr(method, _MARK, _Marked(event_type, stays))
        return method

    return marked if method is None else marked(method)


class Plugin:
    """Hooks (methods marked `@hook`) and tools (methods marked `@tool`) that are added to an agent together.

    Attributes:
        name: What it is called; an agent has one plugin of a name.
    """

    name: str = ""

    def init_agent(self, agent: Any) -> Awaitable[None] | None:
        """Set up what the plugin needs; called before its hooks and tools are added. It may be async."""
        return None

    @property
    def tools(self) -> list[Tool]:
        """The tools it brings: its methods that are tools."""
        return [getattr(self, name) for name, one in _members(type(self)) if isinstance(one, MethodTool)]

    def register_hooks(self, registry: HookRegistry) -> None:
        """Add its callbacks."""
        for name, one in _members(type(self)):
            mark: _Marked | None = getattr(one, _MARK, None)
            if mark is not None:
                registry.add_callback(mark.event_type, getattr(self, name), stays=mark.stays)


def checked_plugins(plugins: Sequence[Plugin] | None) -> list[Plugin]:
    """Look at the plugins of an agent.

    Raises:
        RegistrationError: If one has no name, or two have the same.
    """
    names: set[str] = set()
    for plugin in plugins or ():
        if not plugin.name:
            raise RegistrationError(f"{type(plugin).__name__} has no name; give the class one: name = ...")
        if plugin.name in names:
            raise RegistrationError(f"two plugins are named {plugin.name!r}; leave one of them out")
        names.add(plugin.name)
    return [*(plugins or ())]


def _members(kind: type) -> Iterable[tuple[str, Any]]:
    """Return what the class and its bases define, by name, in the order in which it is written."""
    defined: dict[str, Any] = {}
    for base in reversed(kind.__mro__):
        defined.update(vars(base))
    return defined.items()
