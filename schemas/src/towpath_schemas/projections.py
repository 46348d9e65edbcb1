"""What is derived from the log and can be built from it anew: the operator's request, and how it goes on."""

from typing import Literal

from towpath_schemas.failure import Failure
from towpath_schemas.shape import Shape

ProjectionName = Literal["redis", "qdrant", "index"]
"""Redis's copies of entities, Qdrant's index of memories, the index of runs in Redis."""


class RebuildAsked(Shape):
    """An operator wants a projection to be built anew, while work goes on."""

    projection: ProjectionName


class RebuildProgress(Shape):
    """How far a rebuild is; a word of it comes every second or so, the last one is `done`.

    Attributes:
        looked_at: How many entities were looked at, where the projection is their copies.
        written: How many of them were written anew.
        failure: Why it cannot go on; asked for again, it begins anew.
    """

    looked_at: int = 0
    written: int = 0
    done: bool = False
    failure: Failure | None = None
