"""Which address and method means which operation."""

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from towpath_cli.embedded.qdrant_edge.collection import Collection
from towpath_cli.embedded.qdrant_edge.collections import Collections
from towpath_cli.embedded.qdrant_edge.errors import NotFoundError
from towpath_cli.embedded.qdrant_edge.fields import Json

# What is asked of one collection: the method, the address after the collection's, the operation.
OPERATIONS: dict[tuple[str, str], Callable[[Collection, Json], Any]] = {
    ("PUT", "index"): Collection.create_index,
    ("PUT", "points"): Collection.upsert,
    ("POST", "points"): Collection.retrieve,
    ("POST", "points/query"): Collection.query,
    ("POST", "points/scroll"): Collection.scroll,
    ("POST", "points/count"): Collection.count,
    ("POST", "points/payload"): Collection.set_payload,
    ("POST", "points/delete"): Collection.delete_points,
    ("POST", "points/batch"): Collection.batch,
}


def perform(collections: Collections, method: str, address: str, body: Json) -> Any:
    """Do what a request asks for, and return the `result` of the answer.

    Raises:
        QdrantError: If it is refused.
    """
    match method, [unquote(part) for part in address.strip("/").split("/")]:
        case "GET", ["collections"]:
            return {"collections": [{"name": name} for name in collections.names]}
        case _, ["collections", name]:
            return _perform_on_whole(collections, method, name, body)
        case "GET", ["collections", name, "exists"]:
            return {"exists": name in collections}
        case "DELETE", ["collections", name, "index", field]:
            return collections[name].delete_index(field)
        case _, ["collections", name, *rest] if operation := OPERATIONS.get((method, "/".join(rest))):
            return operation(collections[name], body)
        case _:
            raise NotFoundError(f"{method} {address} is not part of the embedded Qdrant")


def _perform_on_whole(collections: Collections, method: str, name: str, body: Json) -> Any:
    match method:
        case "PUT":
            return collections.create(name, body)
        case "DELETE":
            return collections.delete(name)
        case "GET":
            return collections[name].info()
        case _:
            raise NotFoundError(f"{method} of a collection is not part of the embedded Qdrant")
