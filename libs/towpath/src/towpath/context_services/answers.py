"""Structured answers: how a model is asked for JSON, and how its text becomes an object."""

import json
import re
from collections.abc import Mapping
from typing import Any, Literal, cast

from pydantic import TypeAdapter, ValidationError

from towpath.errors import ModelError
from towpath.values import adapter_of, path_text
from towpath_schemas.failure import Failure

Format = Literal["text", "json"]

_FENCED = re.compile(r"\s*```[a-z]*\s*\n(.*?)\n\s*```\s*", re.DOTALL)
_ANY: TypeAdapter[Any] = TypeAdapter(Any)


class AnswerForm:
    """JSON of a certain form.

    Args:
        schema: JSON Schema that the model is told of; an empty one allows any JSON.
        adapter: What reads the answer, and refuses what does not fit.
    """

    def __init__(self, schema: Mapping[str, Any], adapter: TypeAdapter[Any] = _ANY) -> None:
        self.schema = dict(schema)
        self._adapter = adapter

    @property
    def instruction(self) -> str:
        """What the model is told, whether or not its provider enforces schemas."""
        of_schema = f" that fits this JSON Schema: {json.dumps(self.schema)}" if self.schema else ""
        return f"Answer with one JSON value and nothing else{of_schema}"

    def read(self, text: str) -> Any:
        """Read an answer; JSON in a fence of Markdown is JSON as well.

        Raises:
            ValueError: If it is no JSON, or does not fit; the message says where.
        """
        fenced = _FENCED.fullmatch(text)
        try:
            return self._adapter.validate_json(fenced[1] if fenced else text)
        except ValidationError as error:
            problems = [f"{path_text(one['loc'])}: {one['msg']}" for one in error.errors(include_url=False)]
            raise ValueError("; ".join(problems)) from error


def answer_form(response_format: Format | None, schema: Any) -> AnswerForm | None:
    """Read what is said about the form of an answer; None where it is text.

    Args:
        response_format: `text` or `json`; `json` where a schema is given.
        schema: JSON Schema, or a type: a pydantic model, a dataclass, `list[str]`.

    Raises:
        TypeError: If `schema` is neither, or is given for text.
        ValueError: If there is no such format.
    """
    if response_format not in (None, "text", "json"):
        raise ValueError(
            f"response_format={response_format!r}: it is 'text' or 'json'; a schema goes to schema="
        )
    if schema is None:
        return AnswerForm({}) if response_format == "json" else None
    if response_format == "text":
        raise TypeError("an answer that is text has no schema; leave response_format out")
    if isinstance(schema, Mapping):
        return AnswerForm(cast("Mapping[str, Any]", schema))
    adapter = adapter_of(schema)
    if adapter is None:
        raise TypeError(f"schema={schema!r} is neither a JSON Schema nor a type that pydantic knows")
    return AnswerForm(adapter.json_schema(), adapter)


def unfit(model: str, problem: str, stop_reason: str) -> ModelError:
    """Say that a model did not answer in the form that was asked for, and why it stopped, if that may be the cause."""
    why = "" if stop_reason == "end_turn" else f" (it stopped because of {stop_reason})"
    message = f"{model}: the answer does not have the form that was asked for{why}: {problem}"
    return ModelError(Failure(code="model_error", message=message))
