"""Follows what a run streams: what its functions yield and its agents tell, from a place on, until the run has ended."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from towpath.client.views import view
from towpath.errors import ComponentError, UnavailableError, UnknownRunError
from towpath_chassis.errors import BrokerError
from towpath_chassis.jetstream import JetStream
from towpath_chassis.reading import Got, Reader, reading
from towpath_schemas import subjects
from towpath_schemas.failure import Failure
from towpath_schemas.runs import ChunkStreamed, RunEnded, RunView
from towpath_schemas.streams import OUTPUT

_LOOK_EVERY_S = 2.0
_WELL = frozenset({"completed", "continued"})


@dataclass(frozen=True, slots=True)
class Chunk:
    """One chunk of a streaming function, or one event of an agent.

    Attributes:
        position: Where it stands: to follow the run `since` this position goes on after it.
        index: Its number, from 0, among the chunks of the same call.
        value: What a function yielded; of an agent, the event as a dict: `type`, `seq`, and what else it says.
        key: Place in the run of the call that streams; None where the run's own component does.
        attempt: In which attempt of what streams it was said, from 1. A chunk of a further attempt takes the place of the
            one that had its index before, and of all behind that.
        piece: Of a piece of the chunk of this index, which comes as a whole when it is complete, which piece it is: text
            while a model says it. Pieces may be missing, and one that is 0 again begins anew.
    """

    position: int
    index: int
    value: Any
    key: str | None = None
    piece: int | None = None
    attempt: int = 1


async def chunks_of_run(js: JetStream, run_id: str, *, since: int) -> AsyncGenerator[Chunk]:
    """Yield the chunks of a run, each once and in order, until the run has ended.

    All that the broker still has are read, those up to `since` too: a chunk that is told again behind it is known by
    the number that it had before.

    Raises:
        UnknownRunError: If there is no such run.
        ComponentError: If the run did not end well: what was streamed is not all.
        UnavailableError: If the broker does not answer.
    """
    following = _Following(js, await _known(js, run_id))
    told: dict[str | None, tuple[int, int]] = {}
    async with aclosing(following.messages()) as messages:
        async for got in messages:
            chunk = _chunk(got)
            if chunk is None or not _goes_on(chunk, *told.get(chunk.key, (1, 0))):
                continue
            if chunk.piece is None:
                told[chunk.key] = chunk.attempt, chunk.index + 1
            if chunk.position > since or not following.places_hold:
                yield chunk
    _raise_failure(await _known(js, run_id))


def tells_end(body: bytes) -> bool:
    """Tell whether a message of OUTPUT says that the run has ended."""
    try:
        RunEnded.from_body(body)
    except ValidationError:
        return False
    return True


def _goes_on(chunk: Chunk, attempt: int, index: int) -> bool:
    """Tell whether a chunk is new where the next one of this attempt would have this index."""
    return chunk.attempt > attempt or (chunk.attempt == attempt and chunk.index >= index)


def _chunk(got: Got) -> Chunk | None:
    try:
        told = ChunkStreamed.from_body(got.body)
    except ValidationError:
        return None  # something else is told, or a newer version tells it
    return Chunk(got.sequence, told.index, told.chunk, told.key, told.piece, told.attempt or 1)


class _Following:
    """Reads what OUTPUT tells of one run.

    OUTPUT is in the broker's memory: with the broker it is gone, and begins anew at 1, where its places soon mean
    other messages. So it is read from the start again whenever the connection was lost.

    Attributes:
        places_hold: Whether a place that was told before still means the same: the stream is older than the run.
    """

    def __init__(self, js: JetStream, run: RunView) -> None:
        self._js = js
        self._run = run
        self._ended = False
        self._cut = asyncio.Event()
        self.places_hold = True

    async def messages(self) -> AsyncGenerator[Got]:
        """Yield messages until one says that the run has ended, or it has and nothing more comes."""
        self._js.on_reconnect.append(self._cut.set)
        try:
            while not self._ended:
                self._cut.clear()
                self.places_hold = await self._is_older_than_run()
                async with aclosing(self._from_the_start()) as messages:
                    async for got in messages:
                        if tells_end(got.body):
                            return
                        yield got
        finally:
            self._js.on_reconnect.remove(self._cut.set)

    async def _from_the_start(self) -> AsyncGenerator[Got]:
        """Yield until the connection was lost, or the run has ended and nothing more comes."""
        cut = asyncio.ensure_future(self._cut.wait())
        subject = subjects.output(self._run.run_id)
        try:
            async with (
                reading(self._js, OUTPUT, subject, start=1) as reader,
                aclosing(self._batches(reader, cut)) as batches,
            ):
                async for batch in batches:
                    for got in batch:
                        yield got
        finally:
            cut.cancel()

    async def _batches(self, reader: Reader, cut: "asyncio.Future[Any]") -> AsyncGenerator[list[Got]]:
        batch = asyncio.ensure_future(anext(reader))
        try:
            while not self._cut.is_set():
                done, _ = await asyncio.wait(
                    {batch, cut}, timeout=_LOOK_EVERY_S, return_when=asyncio.FIRST_COMPLETED
                )
                if self._cut.is_set():  # what has come may be of another stream, behind messages we never saw
                    return
                if done:
                    yield batch.result()
                    batch = asyncio.ensure_future(anext(reader))
                elif self._ended:
                    return
                else:
                    await self._look()
        finally:
            batch.cancel()

    async def _look(self) -> None:
        """Look, where nothing comes, whether the run has ended: the word of it may be lost."""
        with suppress(UnavailableError):
            run = await view(self._js, self._run.run_id)
            self._ended = run is not None and run.finished_at is not None

    async def _is_older_than_run(self) -> bool:
        try:
            said = await self._js.info(f"STREAM.INFO.{OUTPUT.name}")
        except BrokerError:
            return False
        return (
            said is not None and datetime.fromisoformat(said["created"]).timestamp() <= self._run.created_at
        )


async def _known(js: JetStream, run_id: str) -> RunView:
    run = await view(js, run_id)
    if run is None:
        raise UnknownRunError(run_id)
    return run


def _raise_failure(run: RunView) -> None:
    if run.status in _WELL or run.finished_at is None:
        return
    message = f"run {run.run_id} of {run.component!r} was {run.status}"
    raise ComponentError(run.failure or Failure(code="cancelled", message=message))
