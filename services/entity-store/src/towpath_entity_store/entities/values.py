"""JSON as the shapes write it: infinities are constants, integers have any size."""

from typing import Any

from pydantic import ConfigDict, TypeAdapter

_JSON: TypeAdapter[Any] = TypeAdapter(Any, config=ConfigDict(ser_json_inf_nan="constants"))


def to_json(value: Any) -> bytes:
    """Write a value."""
    return _JSON.dump_json(value)


def from_json(written: bytes) -> Any:
    """Read back what `to_json` wrote."""
    return _JSON.validate_json(written)
