"""Points, queries and answers: REST JSON to the engine's objects, and back."""

from typing import Any, TypeAlias, cast

from qdrant_edge import (
    Direction,
    Fusion,
    OrderBy,
    PayloadSchemaType,
    PayloadSelector,
    Point,
    Prefetch,
    Query,
    QueryRequest,
    Record,
    ScoredPoint,
    ScrollRequest,
    SparseVector,
    UpdateMode,
)

from towpath_cli.embedded.qdrant_edge.errors import UnsupportedError
from towpath_cli.embedded.qdrant_edge.fields import Json, only, the_only
from towpath_cli.embedded.qdrant_edge.filters import filter_from
from towpath_cli.embedded.qdrant_edge.vectors import VectorSpace, vector_from

PayloadChoice: TypeAlias = bool | list[str] | PayloadSelector

DEFAULT_LIMIT = 10
DEFAULT_RRF_K = 2  # a Qdrant server's, and its client's in local mode

FIELD_TYPES = {
    "keyword": PayloadSchemaType.Keyword,
    "integer": PayloadSchemaType.Integer,
    "float": PayloadSchemaType.Float,
    "bool": PayloadSchemaType.Bool,
    "datetime": PayloadSchemaType.Datetime,
    "text": PayloadSchemaType.Text,
    "uuid": PayloadSchemaType.Uuid,
}

UPDATE_MODES = {
    "upsert": UpdateMode.Upsert,
    "insert_only": UpdateMode.InsertOnly,
    "update_only": UpdateMode.UpdateOnly,
}

_SEARCH = ("query", "using", "prefetch", "filter", "score_threshold", "limit", "params")


def field_type_from(body: str | Json) -> PayloadSchemaType:
    """Translate the type of a payload index; the options of a type are left to a server."""
    return FIELD_TYPES[body if isinstance(body, str) else only(body, ("type", "on_disk"))["type"]]


def field_type_json(field_type: PayloadSchemaType) -> str:
    """Name the type of a payload index."""
    return next(name for name, known in FIELD_TYPES.items() if known == field_type)


def point_from(body: Json, space: VectorSpace) -> Point:
    """Translate a point to store."""
    given = only(body, ("id", "vector", "payload"))
    # The stubs' invariant unions do not know that a dict of fewer kinds of vectors is one of theirs.
    vectors = cast("Any", space.point_vectors(given["vector"]))
    return Point(id=given["id"], vector=vectors, payload=given.get("payload", {}))


def update_mode_from(name: str) -> UpdateMode:
    """Translate what an upsert does about points that are stored already."""
    return UPDATE_MODES[name]


def query_request_from(body: Json) -> QueryRequest:
    """Translate a search."""
    given = only(body, (*_SEARCH, "offset", "with_payload", "with_vector"))
    return QueryRequest(
        limit=given.get("limit", DEFAULT_LIMIT),
        offset=given.get("offset", 0),
        query=_query(given),
        prefetches=_prefetches(given),
        filter=filter_from(given.get("filter")),
        score_threshold=given.get("score_threshold"),
        with_payload=payload_choice_from(given.get("with_payload", False)),
        with_vector=given.get("with_vector", False),
    )


def _prefetches(body: Json) -> list[Prefetch]:
    prefetch: Json | list[Json] = body.get("prefetch", [])
    return [_prefetch(item) for item in (prefetch if isinstance(prefetch, list) else [prefetch])]


def _prefetch(body: Json) -> Prefetch:
    given = only(body, _SEARCH)
    return Prefetch(
        limit=given.get("limit", DEFAULT_LIMIT),
        query=_query(given),
        prefetches=_prefetches(given),
        filter=filter_from(given.get("filter")),
        score_threshold=given.get("score_threshold"),
    )


def _query(body: Json) -> Query | Fusion | None:
    query = body.get("query")
    match query:
        case None:
            return None
        case {"fusion": _} | {"rrf": _}:
            return _fusion(query)
        case {"nearest": vector}:
            only(query, ("nearest",))
            return _nearest(vector, body.get("using"))
        case _:
            return _nearest(query, body.get("using"))


def _nearest(vector: Any, using: str | None) -> Query:
    if not isinstance(vector, list | dict):
        raise UnsupportedError("a query by point id")
    if isinstance(vector, dict) and "indices" not in vector:
        raise UnsupportedError(f"a query by `{', '.join(cast('Json', vector))}`")
    return Query.Nearest(vector_from(vector), using=using)


def _fusion(body: Json) -> Fusion:
    fused: Fusion.Rrf | Fusion.Dbsf
    match the_only(body, ("fusion", "rrf")):
        case "fusion", "rrf":
            fused = Fusion.Rrf(k=DEFAULT_RRF_K)
        case "fusion", "dbsf":
            fused = Fusion.Dbsf()
        case "rrf", parameters:
            given = only(parameters, ("k", "weights"))
            fused = Fusion.Rrf(k=given.get("k", DEFAULT_RRF_K), weights=given.get("weights"))
        case _, unknown:
            raise UnsupportedError(f"the fusion `{unknown}`")
    return cast("Fusion", fused)  # the stubs do not say that the variants are fusions


def scroll_request_from(body: Json) -> ScrollRequest:
    """Translate a listing."""
    given = only(body, ("offset", "limit", "filter", "with_payload", "with_vector", "order_by"))
    return ScrollRequest(
        offset=given.get("offset"),
        limit=given.get("limit", DEFAULT_LIMIT),
        filter=filter_from(given.get("filter")),
        with_payload=payload_choice_from(given.get("with_payload", True)),
        with_vector=given.get("with_vector", False),
        order_by=_order_by(given["order_by"]) if "order_by" in given else None,
    )


def _order_by(body: str | Json) -> OrderBy:
    given = only({"key": body} if isinstance(body, str) else body, ("key", "direction", "start_from"))
    direction = Direction.Desc if given.get("direction") == "desc" else Direction.Asc
    return OrderBy(given["key"], direction, given.get("start_from"))


def payload_choice_from(body: bool | list[str] | Json) -> PayloadChoice:  # noqa: FBT001 (so it is in the interface)
    """Translate which part of the payload is wanted."""
    if not isinstance(body, dict):
        return body
    match the_only(body, ("include", "exclude")):
        case "include", keys:
            return PayloadSelector.Include(keys)
        case _, keys:
            return PayloadSelector.Exclude(keys)


def record_json(record: Record | ScoredPoint) -> Json:
    """Translate a stored point."""
    answer: Json = {
        "id": record.id if isinstance(record.id, int) else str(record.id),
        "payload": record.payload,
    }
    if record.vector is not None:
        answer["vector"] = _vector_json(record.vector)
    if record.order_value is not None:
        answer["order_value"] = record.order_value
    return answer


def scored_point_json(point: ScoredPoint) -> Json:
    """Translate a point that was found."""
    return {**record_json(point), "version": point.version, "score": point.score}


def _vector_json(vector: Any) -> Any:
    if isinstance(vector, SparseVector):
        return {"indices": vector.indices, "values": vector.values}
    if isinstance(vector, dict):
        return {name: _vector_json(named) for name, named in cast("Json", vector).items()}
    return vector
