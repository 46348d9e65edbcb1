"""The base of everything that travels: frozen, strict about unknown fields, JSON both ways."""

from typing import Self

from pydantic import BaseModel, ConfigDict


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
