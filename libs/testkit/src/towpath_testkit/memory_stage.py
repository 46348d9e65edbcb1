"""Entity stores with Qdrant, for tests of memories: their log is written as an entity's owner would."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qdrant_client import AsyncQdrantClient
from redis.asyncio import Redis

from towpath_chassis.errors import NoResponderError
from towpath_chassis.jetstream import JetStream
from towpath_chassis.service import connection
from towpath_chassis.streams import ensure_streams
from towpath_entity_store.settings import Settings
from towpath_schemas import subjects
from towpath_schemas.attribution import Attribution
from towpath_schemas.entities import EntityCommitted, EntityName
from towpath_schemas.memory import (
    ITEM,
    MEMORY_TYPE,
    Embedding,
    ErasureAsked,
    ErasureDone,
    MemoriesFound,
    MemoryAsked,
    MemoryItem,
    Namespace,
    vector_text,
)
from towpath_schemas.shape import Shape
from towpath_testkit.entity_stores import EntityStores
from towpath_testkit.servers import servers

TENANT = "acme"
MODEL = "test/two"
ANN = Namespace("shop", "ann")
_ASKED_WITHIN_S = 60.0
_LOOK_AGAIN_S = 0.05


def memory_item(
    key: str,
    content: Any,
    vector: Sequence[float] | None = None,
    *,
    namespace: Namespace = ANN,
    model: str = MODEL,
    **metadata: Any,
) -> MemoryItem:
    """Write an item."""
    embedding = Embedding(model=model, vector=vector_text(tuple(vector))) if vector else None
    return MemoryItem(
        key=key,
        namespace=namespace.written,
        content=content,
        metadata=metadata,
        embedding=embedding,
        stored_at=1.5,
    )


@dataclass
class MemoryStage(EntityStores):
    """Everything around the entity stores of one test, and the log of its memories.

    Attributes:
        numbers: The newest record of each item's log.
    """

    js: JetStream
    redis: Any
    qdrant: AsyncQdrantClient
    numbers: Counter[EntityName] = field(default_factory=Counter[EntityName])

    def settings(self, **changes: Any) -> Settings:
        """Choose settings with which a test does not take long."""
        return super().settings(**{"qdrant_url": self.servers.qdrant.url, "memory_within_s": 20.0, **changes})

    async def write(
        self,
        key: str,
        content: Any,
        vector: Sequence[float] | None = None,
        *,
        namespace: Namespace = ANN,
        tenant: str = TENANT,
        **more: Any,
    ) -> int:
        """Store an item, or a new version of it; return the sequence of the record."""
        item = memory_item(key, content, vector, namespace=namespace, **more)
        return await self.commit(_name(tenant, namespace, key), values={ITEM: item.model_dump(mode="json")})

    async def forget(self, key: str, *, namespace: Namespace = ANN, tenant: str = TENANT) -> int:
        """Retire an item; return the sequence of the record."""
        return await self.commit(_name(tenant, namespace, key), deleted=(ITEM,))

    async def commit(self, name: EntityName, **changes: Any) -> int:
        """Write the next record of an item's log, whatever it says."""
        self.numbers[name] += 1
        number = self.numbers[name]
        record = EntityCommitted(number=number, through=number, at=time.time(), owner="test", **changes)
        return (await self.js.publish(name.record(number), record.to_body())).sequence

    async def ask(self, *, tenant: str = TENANT, namespace: Namespace = ANN, **asked: Any) -> MemoriesFound:
        """Ask a question."""
        question = MemoryAsked(tenant=tenant, namespace=namespace.written, **asked)
        return MemoriesFound.from_body(await self._answer(subjects.memory_question(tenant), question))

    async def search(self, vector: Sequence[float], *, model: str = MODEL, **asked: Any) -> MemoriesFound:
        """Search by a vector."""
        return await self.ask(question="search", vector=vector_text(tuple(vector)), model=model, **asked)

    async def keys(self, **asked: Any) -> list[str]:
        """List the keys of what is remembered, those stored first first."""
        answer = await self.ask(question="keys", limit=1_000, **asked)
        assert answer.failure is None, answer.failure
        return [one.key for one in answer.found]

    async def erase(self, *, tenant: str = TENANT, **asked: Any) -> ErasureDone:
        """Erase memories."""
        question = ErasureAsked(attribution=Attribution(tenant=tenant, user_id="officer"), **asked)
        return ErasureDone.from_body(await self._answer(subjects.memory_erasure(tenant), question))

    async def _answer(self, subject: str, question: Shape) -> bytes:
        """Ask; where no store is there yet, again."""
        while True:
            try:
                return (await self.js.request(subject, question.to_body(), within_s=_ASKED_WITHIN_S)).data
            except NoResponderError:
                await asyncio.sleep(_LOOK_AGAIN_S)

    async def collections(self) -> list[str]:
        """Name the collections of memories, without the one that says which there are."""
        names = [one.name for one in (await self.qdrant.get_collections()).collections]
        return [name for name in names if not name.endswith("standing")]


@asynccontextmanager
async def memory_stage(directory: Path | None = None) -> AsyncGenerator[MemoryStage]:
    """Start servers until the end of the block, below a directory if one is given; the stores are the test's own."""
    async with (
        servers(directory, qdrant=True) as running_servers,
        connection(running_servers.nats.url, name="test") as (_, js),
        Redis.from_url(running_servers.redis.url) as redis,  # pyright: ignore[reportUnknownMemberType]
    ):
        await ensure_streams(js)
        qdrant = AsyncQdrantClient(running_servers.qdrant.url, check_compatibility=False)
        try:
            yield MemoryStage(running_servers, js, redis, qdrant)
        finally:
            await qdrant.close()


def _name(tenant: str, namespace: Namespace, key: str) -> EntityName:
    return EntityName(tenant, MEMORY_TYPE, namespace.entity_key(key))
