"""Puts what a run streams where whoever watches it finds it: on OUTPUT, for minutes."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from towpath.errors import ComponentError
from towpath.values import to_json_value
from towpath_chassis.errors import NotStoredError
from towpath_chassis.insisting import until_answered
from towpath_chassis.service import Chassis
from towpath_schemas import identity, subjects
from towpath_schemas.attribution import Attribution
from towpath_schemas.catalogue import event_type_of
from towpath_schemas.failure import Failure
from towpath_schemas.payloads import MAX_PAYLOAD_BYTES, too_large
from towpath_schemas.runs import ChunkStreamed


@dataclass(frozen=True, slots=True)
class Output:
    """Where the chunks of one function or agent go; putting a chunk again changes nothing, its id is derived.

    Attributes:
        run_id: The run that is watched.
        key: Place in the run of the call that streams; None where the run's own component does.
        traceparent: Trace of whoever streams.
    """

    chassis: Chassis[Any]
    run_id: str
    attribution: Attribution
    correlation_id: str
    key: str | None = None
    traceparent: str | None = None

    async def put(self, index: int, chunk: Any, attempt: int = 1) -> None:
        """Publish one chunk of an attempt, however long the broker is away.

        Raises:
            NotSerialisableError: If JSON cannot carry it.
            ComponentError: If it is too large to travel, or the broker refuses it.
        """
        told = ChunkStreamed(
            run_id=self.run_id,
            key=self.key,
            index=index,
            chunk=to_json_value(chunk),
            attempt=attempt if attempt > 1 else None,
        )
        body = told.to_body()
        if len(body) > MAX_PAYLOAD_BYTES:
            raise ComponentError(too_large(f"chunk {index}", len(body)))
        chunk_id = identity.chunk_id(self._streaming, index, attempt)
        await self._publish(body, chunk_id, self._headers(chunk_id))

    async def put_piece(self, index: int, piece: int, chunk: Any) -> None:
        """Publish a piece of a chunk that is still to come; it may get lost."""
        told = ChunkStreamed(
            run_id=self.run_id, key=self.key, index=index, chunk=to_json_value(chunk), piece=piece
        )
        headers = self._headers(f"{identity.chunk_id(self._streaming, index)}:{piece}")
        await self.chassis.js.tell(subjects.output(self.run_id), told.to_body(), headers=headers)

    @property
    def _streaming(self) -> str:
        """What streams: the run, or the call that it makes."""
        return self.run_id if self.key is None else identity.call_id(self.run_id, self.key)

    def _headers(self, chunk_id: str) -> dict[str, str]:
        envelope = self.chassis.envelope(
            event_type_of(ChunkStreamed),
            id=chunk_id,
            traceparent=self.traceparent,
            correlation_id=self.correlation_id,
            run_id=self.run_id,
            attribution=self.attribution,
        )
        return envelope.headers()

    async def _publish(self, body: bytes, chunk_id: str, headers: dict[str, str]) -> None:
        js, subject = self.chassis.js, subjects.output(self.run_id)
        try:
            await until_answered(partial(js.publish, subject, body, headers=headers, message_id=chunk_id))
        except NotStoredError as error:
            message = f"a chunk was refused: {error}"
            failure = Failure(code="unavailable", message=message, retryable=True)
            raise ComponentError(failure) from error
