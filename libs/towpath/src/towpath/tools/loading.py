"""What may stand in the `tools` of an agent, made into `Tool` objects: functions, modules, files, names of them."""

import importlib
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, Protocol, cast, runtime_checkable
from weakref import WeakKeyDictionary

from towpath.components import REGISTRY
from towpath.errors import ConfigurationError, RegistrationError
from towpath.tools.function_tool import tool_of
from towpath.tools.sources import ToolSource
from towpath.tools.tool import Tool
from towpath.tools.written_tool import SPEC, written_tool


@runtime_checkable
class Wrappable(Protocol):
    """What can be made into a tool, as an agent can."""

    def as_tool(self) -> Tool:
        """Make a tool of it."""
        ...


def tools_in(item: Any) -> Iterator[Tool | ToolSource]:
    """Make tools of one thing that stands in a list of tools; a source of tools stays what it is.

    Args:
        item: A `Tool`, a `ToolSource`, a function, an agent, a module, a list of such things, or where something is:
            `"path/file.py"`, `"package.module"`, `"package.module:function"`, or `{"name": ..., "path": ...}`.

    Raises:
        RegistrationError: If something cannot be loaded, or holds no tool (also a ValueError).
        ConfigurationError: If it is none of these.
    """
    match item:
        case Tool() | ToolSource():
            yield item
        case str():
            yield from _named(item)
        case {"path": path, **rest}:
            yield from _at_path(path, rest.get("name"))
        case ModuleType():
            yield from _of_module(item, item.__name__)
        case list() | tuple() | set() | frozenset():
            for one in cast("Iterable[Any]", item):
                yield from tools_in(one)
        case _ if inspect.isroutine(item):
            yield tool_of(item)
        case Wrappable():
            yield item.as_tool()
        case _:
            raise ConfigurationError(
                f"{item!r} is no tool; tools are Tool objects, functions, agents, modules, paths of Python files, names "
                "of modules, and lists of them"
            )


# --- By name and by path ------------------------------------------------------------------------------


def _named(name: str) -> Iterable[Tool]:
    where, _, what = name.rpartition(":")
    if where and what.isidentifier():
        return _only(name, _found(name, where), what)
    return _of_module(_found(name, name), name)


def _at_path(path: Any, name: str | None) -> Iterable[Tool]:
    if not isinstance(path, str | Path):
        raise RegistrationError(
            f"Failed to load tool {name!r}: its path is {path!r}; give the path of a Python file"
        )
    module = load_file(Path(path))
    return _of_module(module, str(path)) if name is None else _only(str(path), module, name)


def _found(name: str, where: str) -> ModuleType:
    if where.endswith(".py"):
        return load_file(Path(where))
    try:
        return importlib.import_module(where)
    except Exception as error:
        raise _failed(name, error) from error


def _only(name: str, module: ModuleType, what: str) -> Iterable[Tool]:
    """Return the one tool of a module that is called `what`, or the function of that name as a tool."""
    for tool in tools_of(module):
        if tool.name == what:
            return (tool,)
    found = getattr(module, what, None)
    if isinstance(found, Tool):
        return (found,)
    if not inspect.isroutine(found):
        raise RegistrationError(
            f"Failed to load tool {name}: there is no tool and no function {what!r} in it"
        )
    return (tool_of(cast("Callable[..., Any]", found)),)


def _of_module(module: ModuleType, name: str) -> Iterable[Tool]:
    tools = tools_of(module)
    if not tools:
        raise RegistrationError(
            f"Failed to load tool {name}: it holds no tool; decorate a function with @tool, or write a {SPEC}"
        )
    return tools


def _failed(name: str, error: Exception) -> RegistrationError:
    return RegistrationError(f"Failed to load tool {name}: {type(error).__name__}: {error}")


# --- What is in a module --------------------------------------------------------------------------------

_written: "WeakKeyDictionary[ModuleType, Tool]" = WeakKeyDictionary()


def tools_of(module: ModuleType) -> list[Tool]:
    """Return the tools of a module: what is decorated with `@tool`; else its `TOOL_SPEC` with the function of its name.

    Raises:
        RegistrationError: If there is a `TOOL_SPEC` that cannot be.
    """
    decorated = [value for value in vars(module).values() if isinstance(value, Tool)]
    if decorated or not hasattr(module, SPEC):
        return [*dict.fromkeys(decorated)]
    if module not in _written:
        _written[module] = written_tool(module)
    return [_written[module]]


# --- Files ----------------------------------------------------------------------------------------------


class _Loaded(NamedTuple):
    """A file as it was when it was loaded."""

    content: bytes
    module: ModuleType


_files: dict[Path, _Loaded] = {}


def load_file(path: Path) -> ModuleType:
    """Load a Python file; one that has not changed since is not loaded again.

    One that has changed is loaded anew, and its tools take the place of those it had.

    Raises:
        RegistrationError: If it is not there, or fails while it is loaded.
    """
    file = path.expanduser().resolve()
    try:
        content = file.read_bytes()
    except OSError as error:
        raise _failed(str(path), error) from error
    known = _files.get(file)
    if known is not None and known.content == content:
        return known.module
    before = [] if known is None else tools_of(known.module)
    _files[file] = _Loaded(content, _executed(file, path, content, before))
    return _files[file].module


def _executed(file: Path, path: Path, content: bytes, before: Iterable[Tool]) -> ModuleType:
    """Run a file as a module; if it fails, everything is as it was before."""
    module = ModuleType(f"towpath_tool_{file.stem}_{sha256(bytes(file)).hexdigest()[:12]}")
    module.__file__ = str(file)
    former = sys.modules.get(module.__name__)
    _swap(before, ())
    sys.modules[module.__name__] = module
    try:
        exec(compile(content, file, "exec"), vars(module))  # noqa: S102 - to load a tool is to run its file
        tools_of(module)
    except Exception as error:
        _swap((value for value in vars(module).values() if isinstance(value, Tool)), before)
        if former is not None:
            sys.modules[module.__name__] = former
        raise _failed(str(path), error) from error
    return module


def _swap(gone: Iterable[Tool], back: Iterable[Tool]) -> None:
    """Have the registry forget some tools, and know others again."""
    for tool in gone:
        REGISTRY.remove(tool.component)
    for tool in back:
        tool.register()
