"""A call of a tool as a model asks for it, and what becomes of it."""

from typing import Any

from pydantic import field_validator

from towpath_schemas.failure import Failure
from towpath_schemas.shape import Shape


class ToolCall(Shape):
    """A model asks for a tool.

    Attributes:
        id: The model's own id of the call.
        arguments: Object of the tool's parameters; text where the model did not write JSON.
    """

    id: str
    name: str
    arguments: Any = {}

    @field_validator("arguments", mode="before")
    @classmethod
    def _nothing_is_no_arguments(cls, arguments: Any) -> Any:
        return {} if arguments is None else arguments


class ToolOutcome(Shape):
    """What became of a tool call: content, or an error that the model is told."""

    call_id: str
    content: Any = None
    error: Failure | None = None
