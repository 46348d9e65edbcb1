"""Makes what is asked for of what a caller said; a wrong argument is named."""

from typing import Any, TypeVar

from pydantic import ValidationError

from towpath.errors import InvalidInputError
from towpath_schemas.shape import Shape, problems

ShapeT = TypeVar("ShapeT", bound=Shape)


def asking(shape: type[ShapeT], **said: Any) -> ShapeT:
    """Make a question or a request.

    Raises:
        InvalidInputError: If an argument is not what it takes.
    """
    try:
        return shape(**said)
    except ValidationError as error:
        raise InvalidInputError(problems(error)) from error
