"""The built-in entity type that keeps one memory: its log is the truth about it, vectors included.

Vectors are made here, where the memory is written: whoever rebuilds an index from the log asks no model again.
"""

from collections.abc import Awaitable
from datetime import datetime
from typing import Any, Protocol, cast

from towpath.entities import builtin_entity
from towpath.errors import ContextError
from towpath.remembering.embedding import embedded
from towpath.remembering.items import check_size, text_of
from towpath_schemas.memory import ITEM, MEMORY_TYPE, MemoryItem, read_entity_key

memory_item = builtin_entity(MEMORY_TYPE)


class Keeping(Protocol):
    """What the methods need of their context."""

    object_id: str | None

    def now(self) -> datetime:
        """Read the clock."""
        ...

    async def get(self, name: str, default: Any = None) -> Any:
        """Read a state value."""
        ...

    def set(self, name: str, value: Any) -> Awaitable[None]:
        """Write a state value."""
        ...

    def delete(self, name: str) -> Awaitable[None]:
        """Remove a state value."""
        ...


@memory_item.write
async def store(ctx: Keeping, content: Any, metadata: dict[str, Any], embedding: str | None = None) -> None:
    """Remember something, in place of what was there."""
    await _keep(ctx, content, metadata, embedding)


@memory_item.write
async def update(
    ctx: Keeping, metadata: dict[str, Any], content: Any = None, embedding: str | None = None
) -> bool:
    """Change what is said about it, and the content if one is given; tell whether there was one."""
    before = await _kept(ctx)
    if before is None:
        return False
    changed = {**before.metadata, **metadata}
    if content is None:
        now = ctx.now().timestamp()
        _write(ctx, before.model_copy(update={"metadata": changed, "stored_at": now}))
    else:
        await _keep(ctx, content, changed, embedding)
    return True


@memory_item.write
async def append(ctx: Keeping, value: Any, embedding: str | None = None) -> int:
    """Add to a list, which begins with the first; return how long it is now."""
    before = await _kept(ctx)
    held: Any = [] if before is None else before.content
    if not isinstance(held, list):
        _, key = read_entity_key(ctx.object_id or "")
        raise ContextError(f"memory {key!r} holds no list to append to; set it to a list first")
    longer = [*cast("list[Any]", held), value]
    await _keep(ctx, longer, {} if before is None else before.metadata, embedding)
    return len(longer)


@memory_item.write
async def embed(ctx: Keeping, embedding: str) -> bool:
    """Make its vector anew, with another model; tell whether there was something to embed."""
    before = await _kept(ctx)
    if before is None:
        return False
    await _keep(ctx, before.content, before.metadata, embedding)
    return True


@memory_item.write
async def forget(ctx: Keeping) -> bool:
    """Retire it: it is found as of earlier only; tell whether there was one."""
    if await _kept(ctx) is None:
        return False
    ctx.delete(ITEM)
    return True


async def _kept(ctx: Keeping) -> MemoryItem | None:
    held = await ctx.get(ITEM)
    return None if held is None else MemoryItem.model_validate(held)


async def _keep(ctx: Keeping, content: Any, metadata: dict[str, Any], model: str | None) -> None:
    namespace, key = read_entity_key(ctx.object_id or "")
    vector = None if model is None else await embedded(model, text_of(content))
    item = MemoryItem(
        key=key,
        namespace=namespace.written,
        content=content,
        metadata=metadata,
        embedding=vector,
        stored_at=ctx.now().timestamp(),
    )
    _write(ctx, item)


def _write(ctx: Keeping, item: MemoryItem) -> None:
    check_size(item.key, item.content, item.metadata)  # what is added to grows
    ctx.set(ITEM, item.model_dump(mode="json", exclude_none=True))
