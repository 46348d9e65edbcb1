"""The attributes that user code gives to its metrics and spans, as OpenTelemetry takes them."""

from collections.abc import Mapping
from enum import Enum
from typing import Any

from towpath.secrecy import redacted

AttributeValue = str | bool | int | float


def attributes_of(said: Mapping[str, Any]) -> dict[str, AttributeValue]:
    """Write attributes: None is left out, what is no plain value is its text, and secrets are only named."""
    return {name: _written(value) for name, value in said.items() if value is not None}


def _written(value: Any) -> AttributeValue:
    if isinstance(value, Enum):
        value = value.value
    return value if type(value) in (bool, int, float) else redacted(str(value))
