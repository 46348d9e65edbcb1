"""What Towpath relies on in Qdrant, asked through its client: one contract for whatever answers it.

To hold a Qdrant server to it, add a class that inherits both contracts and whose `url` is the server's.
"""

from collections.abc import AsyncGenerator, Awaitable
from importlib.metadata import version
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from qdrant_client import AsyncQdrantClient, models
from qdrant_client.common.version_check import is_compatible
from qdrant_client.http.exceptions import UnexpectedResponse

from towpath_cli.embedded import QdrantServer

pytestmark = pytest.mark.live

UUID_ID = "5f0c7d3e-8a86-4d9c-9a06-0d9b8f1c2a11"
EAST, NORTH, NORTH_EAST = [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]


def words(*indices: int) -> models.SparseVector:
    return models.SparseVector(indices=list(indices), values=[1.0] * len(indices))


POINTS = [
    models.PointStruct(
        id=1,
        vector={"meaning": EAST, "words": words(10, 11)},
        payload={"agent": "ada", "kind": "note", "step": 1, "at": "2026-01-01T00:00:00Z", "retired": None},
    ),
    models.PointStruct(
        id=2,
        vector={"meaning": NORTH, "words": words(11, 12)},
        payload={"agent": "ada", "kind": "fact", "step": 5, "at": "2026-02-01T00:00:00Z", "tags": ["x", "y"]},
    ),
    models.PointStruct(
        id=3,
        vector={"meaning": NORTH_EAST},
        payload={"agent": "bob", "kind": "note", "step": 3, "at": "2026-03-01T00:00:00Z", "tags": []},
    ),
    models.PointStruct(
        id=UUID_ID,
        vector={"meaning": [-1.0, 0.0]},
        payload={"agent": "bob", "step": 7, "nested": {"deep": 1}},
    ),
]


async def create(client: AsyncQdrantClient, collection: str) -> None:
    await client.create_collection(
        collection,
        vectors_config={"meaning": models.VectorParams(size=2, distance=models.Distance.COSINE)},
        sparse_vectors_config={"words": models.SparseVectorParams()},
    )


def having(key: str, value: str | int) -> models.FieldCondition:
    return models.FieldCondition(key=key, match=models.MatchValue(value=value))


AGENT_ADA = having("agent", "ada")

FILTERS: dict[str, tuple[models.Filter, set[int | str]]] = {
    "equal": (models.Filter(must=AGENT_ADA), {1, 2}),
    "both": (models.Filter(must=[AGENT_ADA, having("kind", "fact")]), {2}),
    "either": (models.Filter(should=[having("step", 1), having("kind", "fact")]), {1, 2}),
    "not": (models.Filter(must_not=[AGENT_ADA]), {3, UUID_ID}),
    "any of": (
        models.Filter(must=[models.FieldCondition(key="step", match=models.MatchAny(any=[3, 7]))]),
        {3, UUID_ID},
    ),
    "none of": (
        models.Filter(
            must=[
                models.FieldCondition(
                    key="kind", match=models.MatchExcept.model_validate({"except": ["note"]})
                )
            ]
        ),
        {2},
    ),
    "from, to": (
        models.Filter(must=[models.FieldCondition(key="step", range=models.Range(gte=3, lt=7))]),
        {2, 3},
    ),
    "since": (
        models.Filter(
            must=[
                models.FieldCondition(
                    key="at", range=models.DatetimeRange.model_validate({"gt": "2026-01-15T00:00:00Z"})
                )
            ]
        ),
        {2, 3},
    ),
    "one of a list": (models.Filter(must=[having("tags", "y")]), {2}),
    "nested field": (models.Filter(must=[having("nested.deep", 1)]), {UUID_ID}),
    "by id": (models.Filter(must=[models.HasIdCondition(has_id=[1, UUID_ID])]), {1, UUID_ID}),
    "has a vector": (models.Filter(must=[models.HasVectorCondition(has_vector="words")]), {1, 2}),
    "empty": (
        models.Filter(must=[models.IsEmptyCondition(is_empty=models.PayloadField(key="tags"))]),
        {1, 3, UUID_ID},
    ),
    "null": (models.Filter(must=[models.IsNullCondition(is_null=models.PayloadField(key="retired"))]), {1}),
    "filter in a filter": (
        models.Filter(must=[models.Filter(should=[having("step", 1), having("step", 3)]), AGENT_ADA]),
        {1},
    ),
    "two of three": (
        models.Filter(
            min_should=models.MinShould(
                conditions=[AGENT_ADA, having("kind", "note"), having("step", 1)], min_count=2
            )
        ),
        {1},
    ),
}


def ids(points: list[models.ScoredPoint] | list[models.Record]) -> list[int | str | UUID]:
    return [point.id for point in points]


class AnswersContract:
    """What is stored, and what is found."""

    @pytest_asyncio.fixture
    async def memories(self, client: AsyncQdrantClient) -> AsyncGenerator[str]:
        collection = f"memories-{uuid4().hex}"
        await create(client, collection)
        await client.upsert(collection, POINTS, wait=True)
        yield collection
        await client.delete_collection(collection)

    async def test_a_collection_exists_from_its_creation_to_its_deletion(
        self, client: AsyncQdrantClient
    ) -> None:
        name = f"odd name.. äö-{uuid4().hex}"
        assert not await client.collection_exists(name)

        await create(client, name)
        assert await client.collection_exists(name)
        assert name in [found.name for found in (await client.get_collections()).collections]

        assert await client.delete_collection(name)
        assert not await client.collection_exists(name)

    async def test_a_collection_tells_what_it_was_made_of(
        self, client: AsyncQdrantClient, memories: str
    ) -> None:
        info = await client.get_collection(memories)

        assert info.points_count == len(POINTS)
        assert isinstance(info.config.params.vectors, dict)
        assert info.config.params.vectors["meaning"].size == 2
        assert info.config.params.sparse_vectors is not None

    async def test_points_are_read_by_id_and_unknown_ids_left_out(
        self, client: AsyncQdrantClient, memories: str
    ) -> None:
        found = await client.retrieve(memories, [UUID_ID, 1, 99], with_vectors=True)

        by_id = {str(point.id): point for point in found}
        assert by_id.keys() == {UUID_ID, "1"}
        assert by_id["1"].payload == POINTS[0].payload
        assert by_id["1"].vector == {"meaning": EAST, "words": words(10, 11)}

    async def test_parts_of_the_payload_may_be_chosen(self, client: AsyncQdrantClient, memories: str) -> None:
        included = await client.retrieve(memories, [1], with_payload=["agent"])
        excluded = await client.retrieve(
            memories, [3], with_payload=models.PayloadSelectorExclude(exclude=["at", "tags", "kind"])
        )
        neither = await client.retrieve(memories, [1], with_payload=False)

        assert included[0].payload == {"agent": "ada"}
        assert excluded[0].payload == {"agent": "bob", "step": 3}
        assert not neither[0].payload

    async def test_an_upsert_replaces_the_whole_point(self, client: AsyncQdrantClient, memories: str) -> None:
        await client.upsert(
            memories, [models.PointStruct(id=1, vector={"meaning": NORTH}, payload={"new": True})]
        )

        (point,) = await client.retrieve(memories, [1], with_vectors=True)
        assert (point.payload, point.vector) == ({"new": True}, {"meaning": NORTH})
        assert (await client.count(memories)).count == len(POINTS)

    async def test_an_insertion_leaves_alone_what_is_there(
        self, client: AsyncQdrantClient, memories: str
    ) -> None:
        points = [
            models.PointStruct(id=number, vector={"meaning": NORTH}, payload={"new": True})
            for number in (1, 7)
        ]
        await client.upsert(memories, points, update_mode=models.UpdateMode.INSERT_ONLY)

        found = await client.retrieve(memories, [1, 7], with_vectors=True)
        payloads = {point.id: point.payload for point in found}
        assert payloads == {1: POINTS[0].payload, 7: {"new": True}}
        assert {point.id: point.vector for point in found}[1] == {"meaning": EAST, "words": words(10, 11)}

    async def test_changes_of_a_batch_are_made_one_after_the_other(
        self, client: AsyncQdrantClient, memories: str
    ) -> None:
        new = models.PointStruct(id=7, vector={"meaning": NORTH}, payload={"step": 9})
        later = models.Filter(
            must=[
                models.HasIdCondition(has_id=[2, 7]),
                models.FieldCondition(key="step", range=models.Range(gt=6)),
            ]
        )
        insertion = models.PointsList(points=[new, POINTS[1]], update_mode=models.UpdateMode.INSERT_ONLY)
        await client.batch_update_points(
            memories,
            [
                models.UpsertOperation(upsert=insertion),
                models.SetPayloadOperation(set_payload=models.SetPayload(payload={"step": 6}, filter=later)),
                models.DeleteOperation(delete=models.PointIdsList(points=[1])),
            ],
        )

        found, _ = await client.scroll(memories, with_payload=["step"])
        assert {point.id: point.payload for point in found} == {
            2: {"step": 5},
            3: {"step": 3},
            7: {"step": 6},
            UUID_ID: {"step": 7},
        }

    async def test_the_rarer_a_word_the_more_it_counts_where_the_collection_says_so(
        self, client: AsyncQdrantClient
    ) -> None:
        name = f"words-{uuid4().hex}"
        by_rarity = models.SparseVectorParams(modifier=models.Modifier.IDF)
        await client.create_collection(name, vectors_config={}, sparse_vectors_config={"words": by_rarity})
        spoken = {1: words(10, 11), 2: words(10, 12), 3: words(10, 13)}
        points = [models.PointStruct(id=n, vector={"words": said}) for n, said in spoken.items()]
        await client.upsert(name, points)

        found = await client.query_points(name, query=words(10, 12), using="words")
        assert found.points[0].id == 2
        assert found.points[0].score > 3 * found.points[1].score
        await client.delete_collection(name)

    async def test_a_point_may_have_no_vector_and_a_field_an_odd_name(
        self, client: AsyncQdrantClient
    ) -> None:
        name = f"plain-{uuid4().hex}"
        unused = {"unused": models.SparseVectorParams()}
        await client.create_collection(name, vectors_config={}, sparse_vectors_config=unused)
        odd = {"of": {"odd name, ö": [1, "x"]}}
        await client.upsert(name, [models.PointStruct(id=2**53 - 1, vector={}, payload=odd)])

        named = models.Filter(must=[having('of."odd name, ö"', "x")])
        assert ids((await client.scroll(name, scroll_filter=named))[0]) == [2**53 - 1]
        await client.delete_collection(name)

    async def test_the_nearest_come_first(self, client: AsyncQdrantClient, memories: str) -> None:
        found = await client.query_points(memories, query=EAST, using="meaning", limit=3, with_payload=True)

        assert ids(found.points) == [1, 3, 2]
        assert [point.score for point in found.points] == pytest.approx([1.0, 0.5**0.5, 0.0], abs=1e-6)
        assert found.points[0].payload == POINTS[0].payload

    async def test_a_search_may_skip_the_first(self, client: AsyncQdrantClient, memories: str) -> None:
        found = await client.query_points(memories, query=EAST, using="meaning", limit=2, offset=1)

        assert ids(found.points) == [3, 2]

    async def test_a_search_keeps_to_its_filter_and_threshold(
        self, client: AsyncQdrantClient, memories: str
    ) -> None:
        only_ada = models.Filter(must=[AGENT_ADA])

        filtered = await client.query_points(memories, query=EAST, using="meaning", query_filter=only_ada)
        close = await client.query_points(memories, query=EAST, using="meaning", score_threshold=0.5)

        assert ids(filtered.points) == [1, 2]
        assert ids(close.points) == [1, 3]

    async def test_sparse_vectors_find_only_what_shares_an_index(
        self, client: AsyncQdrantClient, memories: str
    ) -> None:
        found = await client.query_points(memories, query=words(12, 10, 11), using="words")

        assert set(ids(found.points)) == {1, 2}
        assert [point.score for point in found.points] == pytest.approx([2.0, 2.0])

    async def test_rank_fusion_adds_what_two_searches_say(
        self, client: AsyncQdrantClient, memories: str
    ) -> None:
        found = await client.query_points(
            memories,
            prefetch=[
                models.Prefetch(query=NORTH, using="meaning", limit=2),
                models.Prefetch(query=words(12), using="words", limit=2),
            ],
            query=models.FusionQuery(fusion=models.Fusion.RRF),
        )

        assert ids(found.points) == [2, 3]
        assert [point.score for point in found.points] == pytest.approx([1 / 2 + 1 / 2, 1 / 3])

    async def test_rank_fusion_takes_a_constant_and_weights(
        self, client: AsyncQdrantClient, memories: str
    ) -> None:
        found = await client.query_points(
            memories,
            prefetch=[models.Prefetch(query=NORTH, using="meaning", limit=1)],
            query=models.RrfQuery(rrf=models.Rrf(k=60)),
        )

        assert [point.score for point in found.points] == pytest.approx([1 / 60])

    async def test_distribution_fusion_and_filters_in_prefetches(
        self, client: AsyncQdrantClient, memories: str
    ) -> None:
        not_ada = models.Filter(must_not=[AGENT_ADA])
        found = await client.query_points(
            memories,
            prefetch=[
                models.Prefetch(query=NORTH, using="meaning", filter=not_ada),
                models.Prefetch(query=EAST, using="meaning", filter=not_ada),
            ],
            query=models.FusionQuery(fusion=models.Fusion.DBSF),
        )

        assert ids(found.points) == [3, UUID_ID]

    async def test_a_prefetch_may_be_searched_again(self, client: AsyncQdrantClient, memories: str) -> None:
        found = await client.query_points(
            memories,
            prefetch=models.Prefetch(query=EAST, using="meaning", limit=2),
            query=NORTH,
            using="meaning",
        )

        assert ids(found.points) == [3, 1]

    @pytest.mark.parametrize(("condition", "expected"), FILTERS.values(), ids=FILTERS.keys())
    async def test_a_filter_lets_pass(
        self, client: AsyncQdrantClient, memories: str, condition: models.Filter, expected: set[int | str]
    ) -> None:
        found, _ = await client.scroll(memories, scroll_filter=condition)

        assert set(ids(found)) == expected
        assert (await client.count(memories, count_filter=condition)).count == len(expected)

    async def test_a_listing_goes_on_where_it_ended(self, client: AsyncQdrantClient, memories: str) -> None:
        first, following = await client.scroll(memories, limit=3)
        rest, end = await client.scroll(memories, limit=3, offset=following)

        assert ids(first) == [1, 2, 3]
        assert ids(rest) == [UUID_ID]
        assert end is None

    async def test_a_listing_follows_an_indexed_field(self, client: AsyncQdrantClient, memories: str) -> None:
        await client.create_payload_index(memories, "step", models.PayloadSchemaType.INTEGER)
        latest_first = models.OrderBy(key="step", direction=models.Direction.DESC, start_from=5)

        found, following = await client.scroll(memories, order_by=latest_first, limit=2)

        assert ids(found) == [2, 3]
        assert following is None

    async def test_payload_fields_are_set_by_id_and_by_filter(
        self, client: AsyncQdrantClient, memories: str
    ) -> None:
        await client.set_payload(memories, {"retired": 9}, points=[2])
        await client.set_payload(
            memories, {"retired": 10}, points=models.Filter(must=[having("agent", "bob")])
        )

        found = await client.retrieve(memories, [2, 3], with_payload=["agent", "retired"])
        assert {point.id: point.payload for point in found} == {
            2: {"agent": "ada", "retired": 9},
            3: {"agent": "bob", "retired": 10},
        }

    async def test_points_are_deleted_by_id_and_by_filter(
        self, client: AsyncQdrantClient, memories: str
    ) -> None:
        await client.delete(memories, [1, 99])
        assert (await client.count(memories)).count == 3

        await client.delete(
            memories, models.FilterSelector(filter=models.Filter(must=[having("agent", "bob")]))
        )
        assert ids((await client.scroll(memories))[0]) == [2]


class RefusalsContract:
    """What is refused, and how."""

    @pytest_asyncio.fixture
    async def client(self, url: str) -> AsyncGenerator[AsyncQdrantClient]:
        client = AsyncQdrantClient(url, check_compatibility=False)
        yield client
        await client.close()

    @pytest_asyncio.fixture
    async def empty(self, client: AsyncQdrantClient) -> AsyncGenerator[str]:
        collection = f"empty-{uuid4().hex}"
        await create(client, collection)
        yield collection
        await client.delete_collection(collection)

    @staticmethod
    async def refusal(request: Awaitable[Any]) -> tuple[int | None, str]:
        with pytest.raises(UnexpectedResponse) as refused:
            await request
        return refused.value.status_code, refused.value.structured()["status"]["error"]

    async def test_a_collection_cannot_be_created_twice(self, client: AsyncQdrantClient, empty: str) -> None:
        status, reason = await self.refusal(create(client, empty))

        assert (status, reason) == (409, f"Wrong input: Collection `{empty}` already exists!")

    async def test_nothing_can_be_asked_of_a_collection_that_is_not_there(
        self, client: AsyncQdrantClient
    ) -> None:
        for request in (
            client.get_collection("nowhere"),
            client.upsert("nowhere", POINTS),
            client.query_points("nowhere", query=EAST),
            client.count("nowhere"),
            client.create_payload_index("nowhere", "step", models.PayloadSchemaType.INTEGER),
        ):
            assert await self.refusal(request) == (404, "Not found: Collection `nowhere` doesn't exist!")

    async def test_deleting_what_is_not_there_says_so(self, client: AsyncQdrantClient) -> None:
        assert await client.delete_collection("nowhere") is False

    @pytest.mark.parametrize(
        ("vector", "reason"),
        [
            ({"meaning": [1.0, 2.0, 3.0]}, "Vector dimension error: expected dim: 2, got 3"),
            ({"other": EAST}, "Not existing vector name error: other"),
        ],
        ids=["dimension", "name"],
    )
    async def test_an_upsert_with_a_vector_that_does_not_fit_stores_nothing(
        self, client: AsyncQdrantClient, empty: str, vector: dict[str, list[float]], reason: str
    ) -> None:
        points = [POINTS[0], models.PointStruct(id=2, vector={**vector})]

        assert await self.refusal(client.upsert(empty, points)) == (400, f"Wrong input: {reason}")
        assert (await client.count(empty)).count == 0

    async def test_an_uneven_sparse_vector_is_refused_and_does_no_harm(
        self, client: AsyncQdrantClient, empty: str
    ) -> None:
        uneven = models.SparseVector(indices=[1, 2], values=[1.0])
        repeated = models.SparseVector(indices=[1, 1], values=[1.0, 2.0])

        for vector in (uneven, repeated):
            status, _ = await self.refusal(
                client.upsert(empty, [models.PointStruct(id=1, vector={"words": vector})])
            )
            assert status in {400, 422}
        assert (await client.count(empty)).count == 0

    async def test_a_query_that_does_not_fit_is_refused(self, client: AsyncQdrantClient, empty: str) -> None:
        wrong_dimension, _ = await self.refusal(client.query_points(empty, query=[1.0], using="meaning"))
        wrong_name, _ = await self.refusal(client.query_points(empty, query=EAST, using="other"))
        wrong_kind, _ = await self.refusal(client.query_points(empty, query=words(1), using="meaning"))

        assert (wrong_dimension, wrong_name, wrong_kind) == (400, 400, 400)

    async def test_an_order_needs_an_index(self, client: AsyncQdrantClient, empty: str) -> None:
        status, reason = await self.refusal(client.scroll(empty, order_by="step"))

        assert status == 400
        assert "No range index for `order_by` key" in reason

    async def test_an_index_shows_in_the_collection_until_it_is_deleted(
        self, client: AsyncQdrantClient, empty: str
    ) -> None:
        await client.create_payload_index(empty, "step", models.PayloadSchemaType.INTEGER)
        assert (await client.get_collection(empty)).payload_schema["step"].data_type == "integer"

        await client.delete_payload_index(empty, "step")
        assert not (await client.get_collection(empty)).payload_schema

    async def test_the_payload_of_an_unknown_point_cannot_be_set(
        self, client: AsyncQdrantClient, empty: str
    ) -> None:
        status, reason = await self.refusal(client.set_payload(empty, {"a": 1}, points=[99]))

        assert status == 404
        assert "No point with id 99" in reason

    async def test_an_id_that_is_no_number_and_no_uuid_is_refused(
        self, client: AsyncQdrantClient, empty: str
    ) -> None:
        status, _ = await self.refusal(client.retrieve(empty, ["not-an-id"]))

        assert status == 400


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def embedded() -> AsyncGenerator[QdrantServer]:
    async with QdrantServer() as server:
        yield server


class TestEmbeddedQdrant(AnswersContract, RefusalsContract):
    @pytest.fixture
    def url(self, embedded: QdrantServer) -> str:
        return embedded.url

    async def test_clients_find_a_version_they_can_talk_to(self, client: AsyncQdrantClient) -> None:
        assert is_compatible(version("qdrant-client"), (await client.info()).version)

    async def test_what_only_a_server_can_do_is_refused_and_not_answered_differently(
        self, client: AsyncQdrantClient, empty: str
    ) -> None:
        for request in (
            client.query_points(empty, query=models.SampleQuery(sample=models.Sample.RANDOM)),
            client.query_points(empty, query=1, using="meaning"),
            client.query_points(
                empty, query=EAST, using="meaning", lookup_from=models.LookupLocation(collection="x")
            ),
            client.overwrite_payload(empty, {"a": 1}, points=[1]),
            client.count(
                empty,
                count_filter=models.Filter(
                    must=[models.FieldCondition(key="done", match=models.MatchValue(value=True))]
                ),
            ),
        ):
            status, reason = await self.refusal(request)
            assert status in {400, 404}
            assert "embedded Qdrant" in reason


@pytest.mark.filterwarnings("ignore:Payload indexes have no effect")
class TestLocalMode(AnswersContract):
    """The client's own imitation: a second opinion on what the answers should be."""

    @pytest_asyncio.fixture
    async def client(self) -> AsyncGenerator[AsyncQdrantClient]:
        client = AsyncQdrantClient(":memory:")
        yield client
        await client.close()
