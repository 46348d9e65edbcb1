"""What a service offers: the catalogue by which the router knows where a component runs."""

from operator import not_
from typing import Any, Literal

from pydantic import Field

from towpath_schemas.inputs import ParameterNames
from towpath_schemas.limits import Limit
from towpath_schemas.schedules import ScheduleDeclared
from towpath_schemas.shape import Shape

ComponentKind = Literal["function", "workflow", "agent", "tool", "entity"]


class MethodDescribed(Shape):
    """One method of an entity; a shared one only reads."""

    name: str
    shared: bool


class ComponentDescribed(Shape):
    """One component as others see it; the schemas are JSON Schema.

    Attributes:
        parameters: How an input is read as arguments; None where it is one value.
        methods: Of an entity, what can be called.
        schedules: What is to start runs of it as long as its service says so.
        limits: What its runs pass before they begin.
    """

    name: str
    kind: ComponentKind
    version: str | None = None
    description: str = ""
    input_schema: dict[str, Any] = {}
    output_schema: dict[str, Any] = {}
    parameters: ParameterNames | None = None
    schedules: tuple[ScheduleDeclared, ...] = ()
    limits: tuple[Limit, ...] = ()
    methods: tuple[MethodDescribed, ...] = ()


class CodeOffered(Shape):
    """The code of a component, of one version where it has any.

    Attributes:
        methods: Of an entity, the names of its methods.
    """

    kind: ComponentKind
    name: str
    version: str | None = None
    methods: tuple[str, ...] = Field(default=(), exclude_if=not_)


class EditionSeen(Shape):
    """The code that one edition of a service has; where this is in the catalogue says when it was seen first."""

    offers: tuple[CodeOffered, ...]


class ServiceRegistered(Shape):
    """All components of one service, as the newest edition has them that somebody runs.

    Attributes:
        version: Of the service, as whoever deploys it says.
    """

    service: str
    version: str
    components: tuple[ComponentDescribed, ...]
