"""What a request may be refused for, in the words and status codes of a Qdrant server.

QdrantError                 the engine failed                       500
├── MalformedError          the body has not the expected form      400
├── WrongInputError         the body cannot be served               400
│   └── UnsupportedError    ... but a Qdrant server could           400
├── NotFoundError           no such collection, point or address    404
└── AlreadyExistsError      the collection exists                   409
"""

from collections.abc import Generator
from contextlib import contextmanager
from http import HTTPStatus


class QdrantError(Exception):
    """The engine failed for a reason that is not the request's."""

    status = HTTPStatus.INTERNAL_SERVER_ERROR


class MalformedError(QdrantError):
    """The body is no JSON object, or a field is missing or of the wrong type."""

    status = HTTPStatus.BAD_REQUEST

    def __init__(self, reason: str) -> None:
        super().__init__(f"Format error in JSON body: {reason}")


class WrongInputError(QdrantError):
    """The body is well formed and does not fit the collection."""

    status = HTTPStatus.BAD_REQUEST

    def __init__(self, reason: str) -> None:
        super().__init__(f"Wrong input: {reason}")


class UnsupportedError(WrongInputError):
    """A Qdrant server knows this, the embedded one does not: better refused than answered differently."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is not supported by the embedded Qdrant")


class NotFoundError(QdrantError):
    """There is no such collection, point or address."""

    status = HTTPStatus.NOT_FOUND

    def __init__(self, what: str) -> None:
        super().__init__(f"Not found: {what}")


class AlreadyExistsError(QdrantError):
    """The collection to create exists."""

    status = HTTPStatus.CONFLICT

    def __init__(self, collection: str) -> None:
        super().__init__(f"Wrong input: Collection `{collection}` already exists!")


@contextmanager
def engine_errors() -> Generator[None]:
    """Give the errors of the engine, which are all of one type, the class that their message calls for."""
    try:
        yield
    except Exception as error:
        reason = str(error)
        if reason.startswith("No point with id"):
            raise NotFoundError(f"{reason} found") from error
        if reason.startswith("Service"):
            raise QdrantError(reason) from error
        raise WrongInputError(reason) from error
