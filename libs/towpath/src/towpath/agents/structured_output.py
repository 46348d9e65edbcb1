"""Answers as objects: a tool, named after the class of the object, that the model calls with its fields."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from towpath.errors import StructuredOutputError
from towpath.models.port import ToolSpec
from towpath.tools.calls import ToolCall
from towpath.tools.results import ToolResult, text_result
from towpath_schemas.shape import problems

DEFAULT_PROMPT = "You must format the previous response as structured output."
"""What a model is told that has answered with plain text."""
MAX_MISFITS = 4
"""How many answers that do not fit are told to the model in one invocation, before it has failed."""


class StructuredOutput:
    """The object that one invocation is to end with.

    Args:
        kind: Its class.
        prompt: What a model is told that has answered with plain text.

    Attributes:
        value: The object, once it is there.
        given: What it was made of, as the model gave it, by the name of the class; empty while it is not there.
        forced: Whether the model was told so.
    """

    def __init__(self, kind: type[BaseModel], prompt: str | None = None) -> None:
        self.kind = kind
        self.prompt = prompt or DEFAULT_PROMPT
        self.value: BaseModel | None = None
        self.given: dict[str, Any] = {}
        self.forced = False
        self._misfits = 0

    @property
    def name(self) -> str:
        """What the tool is called."""
        return self.kind.__name__

    @property
    def spec(self) -> ToolSpec:
        """What the model is told of the tool."""
        about = (
            self.kind.__doc__
            or f"Answer with {self.name}: call this last, with everything you have found out."
        )
        return ToolSpec(name=self.name, description=about, input_schema=self.kind.model_json_schema())

    def take(self, call: ToolCall) -> ToolResult:
        """Take the object from a call of the tool; if it does not fit, the result says what is wrong.

        Raises:
            StructuredOutputError: If nothing has fitted, too often.
        """
        try:
            self._make(call.arguments)
        except ValidationError as error:
            return text_result(
                call.id, f"Error: Validation failed for {self.name}: {self._misfit(error)}", "error"
            )
        return text_result(call.id, f"Successfully validated {self.name} structured output")

    def take_text(self, text: str) -> bool:
        """Take the object from a text that is JSON, and tell whether it was one."""
        try:
            self._make(from_json(text))
        except ValueError:
            return False
        return True

    def take_back(self, given: Mapping[str, Any]) -> None:
        """Take the object that was there before the conversation stopped; one of another class is dropped."""
        if self.name in given:
            with suppress(ValidationError):
                self._make(given[self.name])

    def _make(self, given: Any) -> None:
        self.value, self.given = self.kind.model_validate(given), {self.name: given}

    def _misfit(self, error: ValidationError) -> str:
        self._misfits += 1
        if self._misfits > MAX_MISFITS:
            raise StructuredOutputError(
                f"the model answered {self._misfits} times with what is no {self.name}, at last: {problems(error)}"
            ) from error
        return problems(error)

    def missing(self) -> StructuredOutputError:
        """Say that the model has not called the tool, though it was told to."""
        return StructuredOutputError(f"the model did not answer with a {self.name}, though it was told to")


def output_of(kind: Any, prompt: str | None) -> StructuredOutput | None:
    """Make what an invocation is to end with, where anything is asked for.

    Raises:
        StructuredOutputError: If it is no pydantic model.
    """
    if kind is None:
        return None
    if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
        raise StructuredOutputError(
            f"structured_output_model is {kind!r}; give a class that is a pydantic BaseModel"
        )
    return StructuredOutput(kind, prompt)
