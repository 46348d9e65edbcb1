"""The tools of an agent, by name."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from towpath.errors import RegistrationError
from towpath.models.port import ToolSpec
from towpath.tools.loading import tools_in
from towpath.tools.sources import ToolSource
from towpath.tools.tool import Tool


class Toolbox(Mapping[str, Tool]):
    """Tools by name; each is registered, so that tool-runners find it.

    Args:
        tools: What may stand in the `tools` of an agent; see `tools_in`.

    Attributes:
        latest: The tools of the run that asked its sources last; without sources, these.

    Raises:
        RegistrationError: If two tools have one name, or names that differ by `-` and `_` only; or one cannot be loaded.
        ConfigurationError: If something is no tool.
    """

    def __init__(self, tools: Any = ()) -> None:
        self._tools: dict[str, Tool] = {}
        self._names: dict[str, str] = {}
        self._specs: tuple[ToolSpec, ...] | None = None
        self._sources: list[ToolSource] = []
        self.latest: Toolbox = self
        several = isinstance(tools, Iterable) and not isinstance(tools, str | Mapping)
        for found in tools_in([*cast("Iterable[Any]", tools)] if several else tools):
            if isinstance(found, ToolSource):
                self._sources.append(found)
            else:
                self.add(found)

    def __getitem__(self, name: str) -> Tool:
        return self._tools[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tools)

    def __len__(self) -> int:
        return len(self._tools)

    def alike(self, name: str) -> Tool | None:
        """Find a tool by its name, in which `-` and `_` are the same."""
        return self._tools.get(self._names.get(_plain(name), ""))

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        """What models are told of the tools."""
        if self._specs is None:
            self._specs = tuple(map(ToolSpec.of, self._tools.values()))
        return self._specs

    def add(self, tool: Tool) -> None:
        """Add a tool; the same again is no change.

        Raises:
            RegistrationError: If another has its name, or one that differs by `-` and `_` only.
        """
        if self._tools.get(tool.name) is tool:
            return
        self._check_name(tool)
        tool.register()
        self._put(tool)

    def replace(self, tool: Tool) -> None:
        """Have a tool in the place of the one of its name, if there is one.

        Raises:
            RegistrationError: As `add` does, for names that differ by `-` and `_` only.
        """
        if tool.name in self._tools:
            self._put(tool)
        else:
            self.add(tool)
        if self.latest is not self:
            self.latest.replace(tool)

    async def of_run(self, context: Any) -> "Toolbox":
        """Return the tools of one run: these, and what their sources tell that run, in whose context they are asked.

        A replayed run has what its journal says, while another has what there is today: neither sees the other's.

        Raises:
            ComponentError: If a source cannot say what it has.
            RegistrationError: If two tools have one name, or names that differ by `-` and `_` only.
        """
        if not self._sources:
            return self
        found = [tool for source in self._sources for tool in await source.tools(context)]
        tools = Toolbox()
        for tool in (*self.values(), *found):
            tools._check_name(tool)
            tools._put(tool)
        self.latest = tools
        return tools

    async def close(self) -> None:
        """Have the sources of tools give up what they hold."""
        for source in self._sources:
            await source.close()

    def _check_name(self, tool: Tool) -> None:
        alike = self._names.get(_plain(tool.name))
        if alike == tool.name:
            raise RegistrationError(f"two tools are named {tool.name!r}; give one of them another name")
        if alike is not None:
            raise RegistrationError(
                f"the names of the tools {alike!r} and {tool.name!r} differ by - and _ only; give one another name"
            )

    def _put(self, tool: Tool) -> None:
        """Swap whole dicts, since a folder of tools puts from a thread of its own."""
        self._names[_plain(tool.name)] = tool.name
        self._tools = {**self._tools, tool.name: tool}
        self._specs = None


def _plain(name: str) -> str:
    return name.replace("-", "_")


def toolbox(tools: Any) -> Toolbox:
    """Collect tools by name."""
    return Toolbox(tools)
