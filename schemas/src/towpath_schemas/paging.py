"""Long lists are told in pages, newest first: the answer to one says where the next begins."""

import math
from typing import Annotated, NamedTuple, Self

from pydantic import AfterValidator, Field

from towpath_schemas.shape import Shape


class Cursor(NamedTuple):
    """The last of a page: when it was made (seconds since 1970), and its id, by which those of one moment are ordered."""

    at: float
    last: str

    @classmethod
    def read(cls, written: str) -> Self:
        """Read a cursor.

        Raises:
            ValueError: If it is none.

        >>> Cursor.read(Cursor(1.5, "run-1").written)
        Cursor(at=1.5, last='run-1')
        """
        at, _, last = written.partition(":")
        try:
            cursor = cls(float(at), last)
        except ValueError:
            cursor = cls(math.nan, "")
        if not math.isfinite(cursor.at) or not cursor.last:
            raise ValueError("this is no cursor; give the one that the page before came with")
        return cursor

    @property
    def written(self) -> str:
        """The cursor as it travels."""
        return f"{self.at!r}:{self.last}"


def _checked(written: str) -> str:
    Cursor.read(written)
    return written


class PageAsked(Shape):
    """Which part of a list is asked for.

    Attributes:
        limit: How many to tell at the most; a page may have fewer, even none, and not be the last.
        cursor: That of the page before; None for the first.
    """

    limit: Annotated[int, Field(ge=1, le=1_000)] = 50
    cursor: Annotated[str, Field(max_length=512), AfterValidator(_checked)] | None = None


class PageTold(Shape):
    """What every page says beside what it lists.

    Attributes:
        cursor: Where the next page begins; None where this is the last.
    """

    cursor: str | None = None
