"""What a service offers: the catalogue by which the router knows where a component runs."""

from typing import Any, Literal

from towpath_schemas.shape import Shape

ComponentKind = Literal["function", "workflow", "agent", "tool", "entity"]


class ComponentDescribed(Shape):
    """One component as others see it; the schemas are JSON Schema."""

    name: str
    kind: ComponentKind
    version: str | None = None
    description: str = ""
    input_schema: dict[str, Any] = {}
    output_schema: dict[str, Any] = {}


class ServiceRegistered(Shape):
    """All components of one service, as its newest runner knows them."""

    service: str
    version: str
    components: tuple[ComponentDescribed, ...]
