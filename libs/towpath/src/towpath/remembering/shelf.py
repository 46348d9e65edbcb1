"""Reads and writes memories in one context: writes are calls of their entities, questions go to the index of them."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from pydantic import ValidationError

from towpath.entity_handle import EntityHandle
from towpath.errors import ComponentError, InvalidInputError, UnknownMemoryError
from towpath.remembering.embedding import Meaning
from towpath.remembering.items import FoundItems, MemoryItem, check_size
from towpath.remembering.whose import Reach, check_name
from towpath.values import to_json_value
from towpath_schemas.attribution import Attribution
from towpath_schemas.memory import (
    MEMORY_TYPE,
    ErasureDone,
    MemoriesFound,
    MemoryAsked,
    Namespace,
)
from towpath_schemas.shape import problems

T = TypeVar("T")

Answers = Mapping[str, MemoriesFound]
"""What was found in each of the namespaces that a question was asked of."""

_AT_ONCE = 100
"""How many memories are changed at the same time."""
_PAGE = 1_000
"""How many keys are told, or asked about, at once."""


class Logging(Protocol):
    """What tells people."""

    def warning(self, event: str, /, **fields: Any) -> None:
        """Log what should not happen often."""
        ...


class Remembering(Protocol):
    """What memories need of a context."""

    attribution: Attribution

    @property
    def logger(self) -> Logging:
        """The run's logger."""
        ...

    def entity(self, entity_type: str, key: str) -> EntityHandle:
        """Name an entity."""
        ...

    def ask_memory(
        self, asked: Sequence[MemoryAsked], meaning: Meaning | None
    ) -> Coroutine[Any, Any, Answers]:
        """Ask the index of memories; see `Context.ask_memory`."""
        ...

    def erase_memory(
        self, namespace: str | None, user_id: str | None, reason: str | None
    ) -> Coroutine[Any, Any, ErasureDone]:
        """Erase memories; see `Context.erase_memory`."""
        ...

    def remember(self, name: str, read: Callable[[], Any]) -> Any:
        """Read a setting, once."""
        ...


class Shelf:
    """The memories within somebody's reach.

    Args:
        context: Where they are read and written.
        reach: Whose they are.
        meaning: By what they are found; None is by their words.
    """

    def __init__(self, context: Remembering, reach: Reach, meaning: Meaning | None) -> None:
        self._context = context
        self._reach = reach
        self._meaning = meaning
        self._model = meaning.model if meaning else None

    # --- Writing ------------------------------------------------------------------------------------

    async def store(self, key: str, content: Any, metadata: Mapping[str, Any]) -> None:
        """Remember something, in place of what was there."""
        said, about = to_json_value(content), to_json_value(dict(metadata))
        _check_item(key, said, about)
        kept = self._kept(self._reach.own, key)
        await kept.store(content=said, metadata=about, embedding=self._model)

    async def update(self, key: str, content: Any, metadata: Mapping[str, Any]) -> None:
        """Change what is said about something, and its content if one is given.

        Raises:
            UnknownMemoryError: If there is no such memory.
        """
        said, about = to_json_value(content), to_json_value(dict(metadata))
        _check_item(key, "unchanged" if content is None else said, about)
        for namespace in self._reach.writable:
            kept = self._kept(namespace, key)
            if await kept.update(metadata=about, content=said, embedding=self._model):
                return
        raise UnknownMemoryError(key)

    async def append(self, key: str, value: Any) -> int:
        """Add to the list that is remembered; return how long it is now."""
        said = to_json_value(value)
        _check_item(key, said, {})
        return await self._kept(self._reach.own, key).append(value=said, embedding=self._model)

    async def forget(self, keys: Iterable[str]) -> int:
        """Retire memories; return how many of them there were."""
        distinct = [check_name("key", key) for key in dict.fromkeys(keys)]
        return await _count(self._forget, distinct)

    async def _forget(self, key: str) -> bool:
        for namespace in self._reach.writable:
            if await self._kept(namespace, key).forget():
                return True
        return False

    async def embed(self) -> int:
        """Make the vectors of all anew, by the model they are found by; return how many there are."""
        if self._model is None:
            return 0
        entities = [
            self._kept(namespace, key)
            for namespace in self._reach.writable
            for key in await self._keys_in(namespace)
        ]
        return await _count(lambda kept: kept.embed(embedding=self._model), entities)

    async def erase(self, reason: str | None) -> ErasureDone:
        """Erase what is one's own for good, with all it ever was: of a user, in all apps.

        Raises:
            ComponentError: If something may be left: ask again.
        """
        own = self._reach.own
        if own.user_id:
            return await self._context.erase_memory(None, own.user_id, reason)
        return await self._context.erase_memory(own.written, None, reason)

    def _kept(self, namespace: Namespace, key: str) -> EntityHandle:
        return self._context.entity(MEMORY_TYPE, namespace.entity_key(key))

    # --- Reading ------------------------------------------------------------------------------------

    async def recall(self, keys: Sequence[str], *, as_of: int | None = None) -> list[MemoryItem]:
        """Read memories by their keys: those that there are, in the order of `keys`."""
        wanted = [check_name("key", key) for key in keys]
        found: dict[str, MemoryItem] = {}
        for namespace in self._reach.readable:
            missing = [key for key in dict.fromkeys(wanted) if key not in found]
            for begin in range(0, len(missing), _PAGE):
                page = tuple(missing[begin : begin + _PAGE])
                items = await self._pages(namespace, question="recall", keys=page, as_of=as_of)
                found.update({item.key: item for item in items})
        return [found[key] for key in wanted if key in found]

    async def search(self, query: str, *, limit: int, **conditions: Any) -> FoundItems:
        """Find what is most like `query`, the best first.

        Raises:
            InvalidInputError: If the question cannot be asked so; it names the field.
        """
        if not isinstance(query, str) or not query.strip():  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidInputError("query: there is nothing to search for; give text")
        if self._meaning is None:
            conditions.pop("min_score", None)  # scores of words have no end
        questions = [
            self._asked(namespace, question="search", text=query, limit=limit, **conditions)
            for namespace in self._reach.readable
        ]
        answers = await self._context.ask_memory(questions, self._meaning)
        self._check_searched(answers)
        by_rank = self._meaning is None or self._meaning.hybrid
        best = _best(answers, limit, by_rank=by_rank)
        return FoundItems(best, as_of=max(answer.as_of for answer in answers.values()))

    async def keys(self) -> list[str]:
        """List the keys of what one may write."""
        listed = [key for namespace in self._reach.writable for key in await self._keys_in(namespace)]
        return [*dict.fromkeys(listed)]

    async def _keys_in(self, namespace: Namespace) -> list[str]:
        return [item.key for item in await self._pages(namespace, question="keys")]

    async def _pages(self, namespace: Namespace, **said: Any) -> list[MemoryItem]:
        """Ask for all there is, page by page."""
        items: list[MemoryItem] = []
        after: int | None = 0
        while after is not None:
            asked = self._asked(namespace, after=after, limit=_PAGE, **said)
            answers = await self._context.ask_memory([asked], None)
            items.extend(_items(answers, namespace.written))
            after = answers[namespace.written].following
        return items

    def _asked(self, namespace: Namespace, **said: Any) -> MemoryAsked:
        """Write a question.

        Raises:
            InvalidInputError: If it cannot be asked.
        """
        given = {name: value for name, value in said.items() if value is not None}
        tenant = self._context.attribution.tenant
        try:
            return MemoryAsked.model_validate({"tenant": tenant, "namespace": namespace.written, **given})
        except ValidationError as error:
            raise InvalidInputError(_unasked(error)) from error

    def _check_searched(self, answers: Answers) -> None:
        """Tell of memories that could not be compared: a search that passes them over would seem to find nothing.

        Raises:
            ComponentError: If there are only such.
        """
        unsearched = [answer.failure for answer in answers.values() if answer.failure is not None]
        if unsearched and not any(answer.found for answer in answers.values()):
            message = f"{unsearched[0].message}; Memory.reindex() makes their vectors anew"
            raise ComponentError(unsearched[0].model_copy(update={"message": message}))
        others = [one.model or "none" for answer in answers.values() for one in answer.unsearched]
        if unsearched or others:
            self._context.logger.warning(
                "some memories are not searched: their vectors are of other models; reindex() makes them anew",
                models=sorted(set(others)),
                searched_by=self._model,
            )


async def _count(act: Callable[[T], Awaitable[bool]], those: Sequence[T]) -> int:
    """Do something to each, some at a time; return how many there were to do it to."""
    done = 0
    for begin in range(0, len(those), _AT_ONCE):
        done += sum(await asyncio.gather(*map(act, those[begin : begin + _AT_ONCE])))
    return done


def _unasked(error: ValidationError) -> str:
    """Say why something cannot be asked; all that a condition may be is said in one sentence."""
    for one in error.errors(include_url=False, include_context=False, include_input=False):
        if one["loc"][0:1] == ("filter",) and len(one["loc"]) > 1:
            return f"filter: {one['loc'][1]!r} is to be a value, a list of values, or a range such as {{'gte': 0.5}}"
    return problems(error)


def _items(answers: Answers, namespace: str) -> list[MemoryItem]:
    return [MemoryItem.found_in(namespace, found) for found in answers[namespace].found]


def _best(answers: Answers, limit: int, *, by_rank: bool) -> list[MemoryItem]:
    """Put together what several namespaces have; scores of words can be compared within one namespace only."""
    ranked = [(rank, item) for namespace in answers for rank, item in enumerate(_items(answers, namespace))]
    ranked.sort(key=lambda one: one[0] if by_rank else -one[1].score)
    return [item for _, item in ranked[:limit]]


def _check_item(key: str, content: Any, metadata: Any) -> None:
    """Refuse what cannot be remembered, before anything is written.

    Raises:
        InvalidInputError: It names the field.
    """
    check_name("key", key)
    if content is None or (isinstance(content, str) and not content.strip()):
        raise InvalidInputError(
            f"content of memory {key!r}: there is nothing in it; forget() removes a memory"
        )
    check_size(key, content, metadata)
