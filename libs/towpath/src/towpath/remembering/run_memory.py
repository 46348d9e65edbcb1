"""`ctx.memory`: what the user behind a run is remembered by, under keys, and searched by its meaning."""

from collections.abc import Mapping
from typing import Any

from towpath.remembering.embedding import Meaning, default_model
from towpath.remembering.items import FoundItems
from towpath.remembering.shelf import Remembering, Shelf
from towpath.remembering.whose import Owner, reach


class RunMemory:
    """The memories of the user behind a run, or else of the session of the agent whose code this is.

    They are the same as those of a `towpath.Memory` that names nobody else.
    """

    def __init__(self, context: Remembering) -> None:
        self._context = context

    async def get(self, key: str, default: Any = None) -> Any:
        """Return what is remembered under a key."""
        items = await self._shelf().recall([key])
        return items[0].content if items else default

    async def set(self, key: str, value: Any) -> None:
        """Remember a value, in place of what was there.

        Raises:
            InvalidInputError: If it is nothing, or too large.
            NotSerialisableError: If JSON cannot carry it.
        """
        await self._embedding_shelf().store(key, value, {})

    async def append(self, key: str, value: Any) -> int:
        """Add a value to the list under a key, which begins with the first; return how long it is now.

        Raises:
            ComponentError: If something other than a list is there.
        """
        return await self._embedding_shelf().append(key, value)

    async def delete(self, key: str) -> bool:
        """Forget what is under a key; tell whether there was something."""
        return bool(await self._shelf().forget([key]))

    async def search(
        self,
        query: str,
        limit: int = 5,
        *,
        filter: Mapping[str, Any] | None = None,  # noqa: A002 - as in `Memory.search`
        min_score: float | None = None,
    ) -> FoundItems:
        """Find what is most like `query`; see `Memory.search`."""
        return await self._embedding_shelf().search(query, limit=limit, filter=filter, min_score=min_score)

    def _embedding_shelf(self) -> Shelf:
        """Reach them by the default model; which one that is, is a setting, and replay repeats it."""
        return self._shelf(Meaning(self._context.remember("embedder", default_model)))

    def _shelf(self, meaning: Meaning | None = None) -> Shelf:
        within = reach(self._context.attribution, Owner.speaking(), app=None, scope="user")
        return Shelf(self._context, within, meaning)
