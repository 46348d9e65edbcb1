"""What a component is, and the registry in which decorators put it: the meeting point of user code and engine."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from enum import StrEnum
from importlib import import_module
from typing import Any, Protocol

from towpath import builtin_entities
from towpath.errors import RegistrationError
from towpath.retry import RetryPolicy
from towpath_schemas.components import ComponentDescribed, MethodDescribed
from towpath_schemas.inputs import ParameterNames
from towpath_schemas.limits import Limit
from towpath_schemas.schedules import ScheduleDeclared

TellChunk = Callable[[int, Any], Awaitable[None]]
"""Tells whoever watches a chunk's number, from 0, and the chunk."""


class ComponentType(StrEnum):
    """The kinds of component."""

    FUNCTION = "function"
    WORKFLOW = "workflow"
    AGENT = "agent"
    TOOL = "tool"
    ENTITY = "entity"


class Executable(Protocol):
    """How the engine calls a component's body, whatever it is made of."""

    async def __call__(self, context: Any, payload: Any) -> Any:
        """Bind `payload` (decoded JSON) to the parameters, run the body, return what it returned.

        Raises:
            InvalidInputError: If the payload does not fit, before the body runs.
        """
        ...


class Streamable(Protocol):
    """How the engine runs the body of a function that yields, chunk by chunk."""

    def __call__(self, context: Any, payload: Any) -> AsyncGenerator[Any]:
        """Bind `payload` (decoded JSON) to the parameters, run the body, yield what it yields.

        Raises:
            InvalidInputError: If the payload does not fit, before the body runs.
        """
        ...


@dataclass(frozen=True, slots=True)
class Component:
    """One registered component.

    Attributes:
        execute: Binds input and runs the body; a sync body runs in a thread.
        retry: How often a failing call of it is tried.
        timeout_s: Seconds one attempt may take; None for no limit.
        idempotent: Whether an attempt whose end was never seen may be repeated.
        methods: Of an entity, its methods by name.
        stream: Of a function that yields, how it is run chunk by chunk; `execute` gives the list of them.
        version: Of a workflow whose code has changed, which code it is; a run stays with the one it began with.
        limits: What its runs pass on the platform before they begin.
        schedules: What starts runs of it on the platform again and again.
        confirmed: Of a tool, whether a person must have said yes to each call of it.
        parameters: How its input is read as arguments; None where it is one value, as a flow's is.
    """

    name: str
    kind: ComponentType
    execute: Executable
    description: str = ""
    input_schema: Mapping[str, Any] = field(default_factory=dict[str, Any])
    output_schema: Mapping[str, Any] = field(default_factory=dict[str, Any])
    output_type: Any = Any
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    timeout_s: float | None = None
    idempotent: bool = True
    methods: Mapping[str, "Method"] = field(default_factory=dict[str, "Method"])
    source: Callable[..., Any] | object | None = None
    stream: Streamable | None = None
    version: str | None = None
    limits: tuple[Limit, ...] = ()
    schedules: tuple[ScheduleDeclared, ...] = ()
    confirmed: bool = False
    parameters: ParameterNames | None = None

    async def run(self, context: Any, payload: Any, tell: TellChunk) -> Any:
        """Execute it, and `tell` each chunk of one that streams before the next is asked for."""
        if self.stream is None:
            return await self.execute(context, payload)
        chunks: list[Any] = []
        async with aclosing(self.stream(context, payload)) as produced:
            async for chunk in produced:
                await tell(len(chunks), chunk)
                chunks.append(chunk)
        return chunks

    def described(self) -> ComponentDescribed:
        """Describe it for the catalogue."""
        return ComponentDescribed(
            name=self.name,
            kind=self.kind.value,
            version=self.version,
            description=self.description,
            input_schema=dict(self.input_schema),
            output_schema=dict(self.output_schema),
            parameters=self.parameters,
            limits=self.limits,
            schedules=self.schedules,
            methods=tuple(MethodDescribed(name=one.name, shared=one.shared) for one in self.methods.values()),
        )


@dataclass(frozen=True, slots=True)
class Method:
    """One method of an entity; a shared one may only read."""

    name: str
    execute: Executable
    shared: bool


class Registry:
    """The components of one process, by kind, name and version."""

    def __init__(self) -> None:
        self._components: dict[tuple[ComponentType, str], dict[str | None, Component]] = {}
        self._doubles: set[tuple[ComponentType, str]] = set()

    def offer(self, component: Component) -> None:
        """Register an agent or a tool; one whose name another has stays what only its own program knows.

        Programs make agents and tools for a single request, again and again. That two have one name matters only where
        they are found by it: `check` says so.
        """
        key = (component.kind, component.name)
        present = self._components.get(key, {}).get(component.version)
        if present is not None and present.source is not component.source:
            self._doubles.add(key)
        else:
            self.add(component)

    def check(self) -> None:
        """Check that every name stands for one thing, before others find components by it.

        Raises:
            RegistrationError: If several agents or tools have one name.
        """
        if self._doubles:
            kind, name = min(self._doubles)
            raise RegistrationError(f"several {kind.value}s are named {name!r}; give each a name of its own")

    def add(self, component: Component) -> None:
        """Register a component; the same object again is no change.

        Raises:
            RegistrationError: If another object has this kind, name and version.
        """
        versions = self._components.setdefault((component.kind, component.name), {})
        present = versions.get(component.version)
        if present is not None and present.source is not component.source:
            which = f" of version {component.version}" if component.version else ""
            raise RegistrationError(
                f"a {component.kind.value} named {component.name!r}{which} is registered already"
            )
        versions[component.version] = component

    def remove(self, component: Component) -> None:
        """Forget a component, if it is this very one: its code is about to be loaded anew."""
        versions = self._components.get((component.kind, component.name), {})
        if versions.get(component.version) is component:
            del versions[component.version]

    def find(self, kind: ComponentType, name: str) -> Component | None:
        """Find a component by kind and name: of several versions, the one that was registered last.

        Types of entity that come with Towpath are found in every registry.
        """
        versions = self._components.get((kind, name))
        if versions:
            return next(reversed(versions.values()))
        return _built_in(name) if kind is ComponentType.ENTITY else None

    def pinned(self, kind: ComponentType, name: str, version: str | None) -> Component | None:
        """Find the very version that a run began with; one that began without any goes on with what there is."""
        versions = self._components.get((kind, name), {})
        return versions.get(version) or (self.find(kind, name) if version is None else None)

    def runnable(self, name: str) -> Component | None:
        """Find what a request may start under `name`: a workflow, agent or function."""
        kinds = (ComponentType.WORKFLOW, ComponentType.AGENT, ComponentType.FUNCTION)
        return next((found for kind in kinds if (found := self.find(kind, name))), None)

    def callable(self, name: str) -> Component | None:
        """Find what a tool-runner may execute under `name`: a tool or function."""
        return self.find(ComponentType.TOOL, name) or self.find(ComponentType.FUNCTION, name)

    def __iter__(self) -> Iterator[Component]:
        return iter([one for versions in self._components.values() for one in versions.values()])

    def clear(self) -> None:
        """Forget everything: for tests."""
        self._components.clear()
        self._doubles.clear()


_BUILT_IN: dict[str, Component] = {}


def add_built_in(component: Component) -> None:
    """Have every registry find a type of entity."""
    _BUILT_IN[component.name] = component


def built_in_types() -> list[Component]:
    """List the types of entity that come with Towpath."""
    return [found for name in builtin_entities.MODULES if (found := _built_in(name)) is not None]


def _built_in(entity_type: str) -> Component | None:
    module = builtin_entities.MODULES.get(entity_type)
    if module is None:
        return None
    import_module(module)
    return _BUILT_IN[entity_type]


REGISTRY = Registry()
"""Where decorators register."""
