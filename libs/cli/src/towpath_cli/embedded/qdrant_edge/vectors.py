"""Which vectors a collection holds, and whether those of a point fit.

The engine itself looks too late: an upsert it refuses has already left an empty point behind, and a sparse vector
of unequal halves makes it panic, again at each replay of its log.
"""

from dataclasses import dataclass
from typing import Any, Self, TypeAlias, cast

from qdrant_edge import (
    Distance,
    EdgeConfig,
    EdgeSparseVectorParams,
    EdgeVectorParams,
    Modifier,
    SparseVector,
)

from towpath_cli.embedded.qdrant_edge.errors import WrongInputError
from towpath_cli.embedded.qdrant_edge.fields import Json, only

NamedVectors: TypeAlias = dict[str, list[float] | SparseVector]

DISTANCES = {
    "Cosine": Distance.Cosine,
    "Dot": Distance.Dot,
    "Euclid": Distance.Euclid,
    "Manhattan": Distance.Manhattan,
}

# These change how fast a server answers and how much memory it takes, not what it answers.
TUNING = (
    "hnsw_config",
    "optimizers_config",
    "wal_config",
    "quantization_config",
    "on_disk",
    "on_disk_payload",
    "index",
    "shard_number",
    "replication_factor",
    "write_consistency_factor",
)

DEFAULT_VECTOR = ""


@dataclass(frozen=True)
class VectorSpace:
    """The named vectors that the points of one collection may have."""

    dense: dict[str, Json]
    sparse: dict[str, Json]

    @classmethod
    def declared_in(cls, body: Json) -> Self:
        """Read the body of the request that creates a collection."""
        given = only(body, ("vectors", "sparse_vectors", *TUNING))
        dense = given.get("vectors", {})
        named = {DEFAULT_VECTOR: dense} if "size" in dense else dense
        return cls(
            dense={name: only(params, ("size", "distance", *TUNING)) for name, params in named.items()},
            sparse={
                name: only(params or {}, ("modifier", *TUNING))
                for name, params in given.get("sparse_vectors", {}).items()
            },
        )

    def edge_config(self) -> EdgeConfig:
        """Say the same to the engine."""
        return EdgeConfig(
            vectors={
                name: EdgeVectorParams(size=params["size"], distance=DISTANCES[params["distance"]])
                for name, params in self.dense.items()
            },
            sparse_vectors={
                name: EdgeSparseVectorParams(modifier=_modifier(params))
                for name, params in self.sparse.items()
            },
        )

    def point_vectors(self, body: Any) -> NamedVectors:
        """Translate the vectors of a point, which may be one, or several by name.

        Raises:
            WrongInputError: If one is not declared, or has not the declared dimension.
        """
        named = cast("Json", body) if isinstance(body, dict) else {DEFAULT_VECTOR: body}
        vectors = {name: vector_from(vector) for name, vector in named.items()}
        for name, vector in vectors.items():
            self._check(name, vector)
        return vectors

    def _check(self, name: str, vector: list[float] | SparseVector) -> None:
        sparse = isinstance(vector, SparseVector)
        if name not in (self.sparse if sparse else self.dense):
            raise WrongInputError(f"Not existing vector name error: {name}")
        if not sparse and len(vector) != (expected := self.dense[name]["size"]):
            raise WrongInputError(f"Vector dimension error: expected dim: {expected}, got {len(vector)}")


def vector_from(body: Any) -> list[float] | SparseVector:
    """Translate one vector, dense or sparse."""
    if isinstance(body, dict):
        return _sparse_vector(only(cast("Json", body), ("indices", "values")))
    if not isinstance(body, list):
        raise TypeError("a vector is a list of numbers, or an object of indices and values")
    return [float(component) for component in cast("list[Any]", body)]


def _sparse_vector(body: Json) -> SparseVector:
    indices, values = body["indices"], body["values"]
    if len(indices) != len(values):
        raise WrongInputError("Validation error: indices and values must have the same length")
    if len(set(indices)) != len(indices):
        raise WrongInputError("Validation error: indices must be unique")
    return SparseVector(indices=indices, values=values)


def _modifier(params: Json) -> Modifier | None:
    match params.get("modifier", "none"):
        case "idf":
            return Modifier.Idf
        case "none":
            return None
        case other:
            raise WrongInputError(f"unknown modifier `{other}`")
