"""One collection: what may be asked of it, and the engine's shard that answers."""

from pathlib import Path
from typing import Self

from qdrant_edge import CountRequest, EdgeShard, UpdateOperation

from towpath_cli.embedded.qdrant_edge.errors import engine_errors
from towpath_cli.embedded.qdrant_edge.fields import Json, only, the_only
from towpath_cli.embedded.qdrant_edge.filters import filter_from, required_filter
from towpath_cli.embedded.qdrant_edge.translation import (
    field_type_from,
    field_type_json,
    payload_choice_from,
    point_from,
    query_request_from,
    record_json,
    scored_point_json,
    scroll_request_from,
    update_mode_from,
)
from towpath_cli.embedded.qdrant_edge.vectors import DEFAULT_VECTOR, VectorSpace

# A server's defaults: clients insist on reading them, the engine decides for itself.
TUNING_ANSWER: Json = {
    "hnsw_config": {"m": 16, "ef_construct": 100, "full_scan_threshold": 10000},
    "optimizer_config": {
        "deleted_threshold": 0.2,
        "vacuum_min_vector_number": 1000,
        "default_segment_number": 0,
        "flush_interval_sec": 5,
    },
    "wal_config": {"wal_capacity_mb": 32, "wal_segments_ahead": 0},
}

COMPLETED: Json = {"operation_id": 0, "status": "completed"}


class Collection:
    """The points of one collection. Not safe for threads: the caller lets one in at a time."""

    def __init__(self, shard: EdgeShard, space: VectorSpace) -> None:
        self._shard, self._space = shard, space
        self._dirty = False

    @classmethod
    def create(cls, path: Path, space: VectorSpace) -> Self:
        """Create an empty one at `path`."""
        with engine_errors():
            return cls(EdgeShard.create(str(path), space.edge_config()), space)

    @classmethod
    def load(cls, path: Path, space: VectorSpace) -> Self:
        """Open the one at `path`; the engine replays what a crash left unflushed."""
        with engine_errors():
            return cls(EdgeShard.load(str(path)), space)

    def flush(self) -> None:
        """Make what was written survive a power cut, and shorten the log that a restart replays."""
        if self._dirty:
            with engine_errors():
                self._shard.flush()
            self._dirty = False

    def close(self) -> None:
        """Flush, and give its files free."""
        self.flush()
        self._shard.close()

    def info(self) -> Json:
        """Describe it."""
        with engine_errors():
            info = self._shard.info()
        indexes = {
            field: {"data_type": field_type_json(index.data_type), "points": index.points}
            for field, index in info.payload_schema.items()
        }
        return {
            "status": "green",
            "optimizer_status": "ok",
            "points_count": info.points_count,
            "indexed_vectors_count": info.indexed_vectors_count,
            "segments_count": info.segments_count,
            "payload_schema": indexes,
            "config": {"params": self._params(), **TUNING_ANSWER},
        }

    def _params(self) -> Json:
        dense = self._space.dense
        return {
            "vectors": dense[DEFAULT_VECTOR] if dense.keys() == {DEFAULT_VECTOR} else dense,
            "sparse_vectors": self._space.sparse or None,
        }

    def create_index(self, body: Json) -> Json:
        """Index a field of the payload."""
        given = only(body, ("field_name", "field_schema"))
        return self._update(
            UpdateOperation.create_field_index(given["field_name"], field_type_from(given["field_schema"]))
        )

    def delete_index(self, field: str) -> Json:
        """Forget the index of a field."""
        return self._update(UpdateOperation.delete_field_index(field))

    def upsert(self, body: Json) -> Json:
        """Store points, all or none; a stored point of the same id is replaced, unless `update_mode` says else."""
        given = only(body, ("points", "update_mode"))
        points = [point_from(point, self._space) for point in given["points"]]
        mode = update_mode_from(given.get("update_mode", "upsert"))
        return self._update(UpdateOperation.upsert_points(points, update_mode=mode))

    def set_payload(self, body: Json) -> Json:
        """Set fields of the payload of some points."""
        given = only(body, ("payload", "points", "filter", "key"))
        payload, key = given["payload"], given.get("key")
        if "points" in given:
            return self._update(UpdateOperation.set_payload(given["points"], payload, key))
        return self._update(
            UpdateOperation.set_payload_by_filter(required_filter(given["filter"]), payload, key)
        )

    def delete_points(self, body: Json) -> Json:
        """Forget points; unknown ids are none to forget."""
        given = only(body, ("points", "filter"))
        if "points" in given:
            return self._update(UpdateOperation.delete_points(given["points"]))
        return self._update(UpdateOperation.delete_points_by_filter(required_filter(given["filter"])))

    def batch(self, body: Json) -> list[Json]:
        """Change points in several ways, one after the other, up to the first that is refused."""
        ways = {"upsert": self.upsert, "set_payload": self.set_payload, "delete": self.delete_points}
        asked = [the_only(operation, ways) for operation in only(body, ("operations",))["operations"]]
        return [ways[way](given) for way, given in asked]

    def retrieve(self, body: Json) -> list[Json]:
        """Read points by id; unknown ids are left out."""
        given = only(body, ("ids", "with_payload", "with_vector"))
        payload = payload_choice_from(given.get("with_payload", True))
        with engine_errors():
            records = self._shard.retrieve(given["ids"], payload, given.get("with_vector", False))
        return [record_json(record) for record in records]

    def scroll(self, body: Json) -> Json:
        """List points by id, or in the order of an indexed field."""
        request = scroll_request_from(body)
        with engine_errors():
            records, next_id = self._shard.scroll(request)
        following = next_id if next_id is None or isinstance(next_id, int) else str(next_id)
        return {"points": [record_json(record) for record in records], "next_page_offset": following}

    def query(self, body: Json) -> Json:
        """Search."""
        request = query_request_from(body)
        with engine_errors():
            points = self._shard.query(request)
        return {"points": [scored_point_json(point) for point in points]}

    def count(self, body: Json) -> Json:
        """Count points."""
        request = CountRequest(filter=filter_from(only(body, ("filter", "exact")).get("filter")))
        with engine_errors():
            return {"count": self._shard.count(request)}

    def _update(self, operation: UpdateOperation) -> Json:
        self._dirty = True
        with engine_errors():
            self._shard.update(operation)
        return COMPLETED
