"""State as one invocation sees it: what it has loaded, under what it has set and not written yet.

Setting and getting state is synchronous, so nothing may be asked of anybody meanwhile. What is not known is not
guessed: reading it is an error that says how to load it.
"""

import asyncio
import copy
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from towpath.context import Context
from towpath.errors import SessionError
from towpath.values import to_json_value

_DELETED = object()

Read = Callable[[], Awaitable[dict[str, Any]]]
"""Reads all values there are."""

Write = Callable[[dict[str, Any], list[str]], Awaitable[None]]
"""Sets values, and deletes names."""


class Changes(NamedTuple):
    """What was changed of a draft and is being written."""

    values: dict[str, Any]
    deleted: list[str]

    def __bool__(self) -> bool:
        return bool(self.values or self.deleted)


class Draft:
    """The values of one scope of one session, user or app.

    Args:
        what: What it is called in messages.
        read: How it is loaded; None where nothing is kept anywhere else, so that all there is is here.
        write: How it is written; None likewise.
    """

    def __init__(self, what: str, read: Read | None, write: Write | None) -> None:
        self._what = what
        self._read, self._write = read, write
        self._known: dict[str, Any] = {}
        self._writing: dict[str, Any] = {}
        self._changed: dict[str, Any] = {}
        self._whole = read is None
        self._alone = asyncio.Lock()

    def get(self, name: str, default: Any) -> Any:
        """Read a value; changing what is returned changes no state.

        Raises:
            SessionError: If it is neither loaded nor set here.
        """
        for values in (self._changed, self._writing, self._known):
            if name in values:
                return default if values[name] is _DELETED else copy.deepcopy(values[name])
        if not self._whole:
            raise SessionError(
                f"{self._what} is not loaded here, so {name!r} cannot be told; await session.load() first"
            )
        return default

    def set(self, name: str, value: Any) -> None:
        """Set a value.

        Raises:
            NotSerialisableError: If JSON cannot carry it.
        """
        self._changed[name] = to_json_value(value)

    def delete(self, name: str) -> None:
        """Delete a value."""
        self._changed[name] = _DELETED

    async def load(self) -> None:
        """Write what was changed, and read all there is."""
        async with self._alone:
            await self._flush()
            if self._read is not None:
                self._known, self._whole = await self._read(), True

    async def flush(self) -> None:
        """Write what was changed; what could not be written is still to be."""
        async with self._alone:
            await self._flush()

    @asynccontextmanager
    async def written_beside(self, more: Mapping[str, Any]) -> AsyncGenerator[Changes]:
        """Have the block write what was changed, and `more`, beside what it writes itself.

        Where it could not, what was changed is still to be written, and `more` was never set.
        """
        async with self._alone:
            if more or self._changed:
                with self._being_written(to_json_value(more)) as changes:
                    yield changes
                return
        yield Changes({}, [])

    async def _flush(self) -> None:
        if self._write is None or not self._changed:
            return
        with self._being_written({}) as changes:
            await self._write(changes.values, changes.deleted)

    @contextmanager
    def _being_written(self, more: Mapping[str, Any]) -> Generator[Changes]:
        before, self._changed = self._changed, {}
        self._writing = {**before, **more}
        values = {name: value for name, value in self._writing.items() if value is not _DELETED}
        try:
            yield Changes(values, [name for name in self._writing if name not in values])
        except BaseException:
            self._changed = {**before, **self._changed}
            raise
        else:
            self._known.update(self._writing)
        finally:
            self._writing = {}


class Drafts:
    """The drafts of one invocation, by what they are of."""

    def __init__(self) -> None:
        self._of: dict[tuple[str, str], Draft] = {}

    def of(self, scope: str, key: str, make: Callable[[], Draft]) -> Draft:
        """Return the draft of one scope of one session, user or app; `make` it where there is none."""
        place = (scope, key)
        if place not in self._of:
            self._of[place] = make()
        return self._of[place]

    def __iter__(self) -> Iterator[Draft]:
        return iter([*self._of.values()])

    async def flush(self) -> None:
        """Write all that was changed, in the order in which it was first spoken of."""
        for draft in self:
            await draft.flush()


_drafts: "WeakKeyDictionary[Context, Drafts]" = WeakKeyDictionary()


def drafts_in(context: Context) -> Drafts:
    """Return the drafts of the invocation that a context is of; they are written when it ends well.

    A replay has a context of its own, and so begins with none.
    """
    drafts = _drafts.get(context)
    if drafts is None:
        drafts = _drafts[context] = Drafts()
        context.at_end(drafts.flush)
    return drafts
