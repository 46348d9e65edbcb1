"""The base of everything that travels: frozen, strict about unknown fields, JSON both ways."""

from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

_LISTED = 100
_NAMED = 5


def is_none(value: object) -> bool:
    """Tell whether a field is left out of a body: it says nothing."""
    return value is None


class Shape(BaseModel):
    """A frozen model with a JSON body; unknown fields are refused by name.

    Absent and None are the same on the wire: fields that are None are left out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    def to_body(self) -> bytes:
        """Write the JSON body of a message."""
        return self.model_dump_json(exclude_none=True).encode()

    @classmethod
    def from_body(cls, body: bytes) -> Self:
        """Read the JSON body of a message.

        Raises:
            pydantic.ValidationError: If a field is missing, unknown or of another type; it names the path.
        """
        return cls.model_validate_json(body)

    @classmethod
    def from_newer_body(cls, body: bytes) -> Self:
        """Read the JSON body of a message that a newer version may have written: fields that it adds are left out.

        Only for what describes something: whoever left out a part of a request or a record would do something else.

        Raises:
            pydantic.ValidationError: If a field is missing, or of another type; it names the path.
        """
        return cls.model_validate_json(body, extra="ignore")


def problems(error: ValidationError) -> str:
    """Say what is wrong with a body: the first fields and why, without what they were, which may be a secret, or long.

    Where very many are wrong they are only counted: to list them takes longer than all else that is done with them.
    """
    if error.error_count() > _LISTED:
        return f"{error.error_count():,} fields are wrong"
    every = error.errors(include_url=False, include_context=False, include_input=False)
    named = "; ".join(f"{'.'.join(map(str, one['loc'])) or 'body'}: {one['msg']}" for one in every[:_NAMED])
    return named if len(every) <= _NAMED else f"{named}; and {len(every) - _NAMED} more"
