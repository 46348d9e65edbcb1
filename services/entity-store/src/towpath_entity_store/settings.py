"""What the entity store can be told from outside."""

from typing import Annotated

from pydantic import Field

from towpath_chassis.settings import ServiceSettings
from towpath_schemas.payloads import MAX_PAYLOAD_BYTES
from towpath_schemas.streams import DAY_S


class Settings(ServiceSettings):
    """Settings of the entity store.

    Attributes:
        redis_url: Where the copies of states and the index of runs are kept.
        redis_within_s: Seconds after which a silent Redis counts as lost.
        qdrant_url: Where memories are searched; None where nobody asks for memories.
        qdrant_within_s: Seconds after which a silent Qdrant counts as lost.
        memory_capacity: How many records of memories are brought into Qdrant at the same time.
        memory_within_s: Seconds within which a question about memories is answered, be it by a failure.
        erasure_within_s: Seconds for which memories are erased at a time; what is left then is asked for again.
        partition_pin_s: Seconds without a sign of its owner after which the broker gives a partition to
            another process.
        partition_capacity: How many invocations of one partition are held at the same time.
        turn_invocations: How many waiting invocations of an entity are executed as one turn.
        turn_bytes: How many bytes of invocations are executed as one turn.
        payload_bytes: Bytes of the largest payload that is written; the state of an entity may take half of them.
        turn_silence_s: Seconds without a sign of life after which a runner counts as lost.
        turn_attempts: How many runners may be lost over one turn before its invocation fails.
        turn_deadline_s: Seconds a turn may take; a method waits for other entities for nine tenths of them.
        runner_patience_s: Seconds to wait in place for a runner, before waiting invocations are put off.
        read_within_s: Seconds within which a shared method is answered, be it by a failure.
        snapshot_every: Commits after which an entity's log is compacted.
        remembered_outcomes: How many outcomes of an entity are kept for invocations that are repeated, fewer where
            they are large; an invocation (an idempotency key) that comes again after so many others is executed again,
            unless the broker still knows the very message (two minutes). All replicas must have the same.
        hot_entities: How many entities are kept in memory.
        hot_bytes: How many bytes of their states, as JSON, are kept in memory.
        hot_idle_s: Seconds after which an entity that nobody uses is not kept in memory any more.
        audited_per_s: How many records of entities' logs the auditor goes through in a second.
        audit_every_s: Seconds from the end of one audit of all entities to the beginning of the next.
        index_capacity: How many events are folded into the index of runs at the same time.
        runs_kept_s: Seconds after its end for which a run is kept; 0 for ever.
        retention_look_s: Seconds from one look for runs that have been kept long enough to the next.
    """

    redis_url: Annotated[str, Field(pattern=r"^(redis|rediss|unix)://")] = "redis://127.0.0.1:6379/0"
    redis_within_s: Annotated[float, Field(gt=0, le=60)] = 1.0
    qdrant_url: Annotated[str, Field(pattern=r"^https?://")] | None = None
    qdrant_within_s: Annotated[float, Field(ge=1, le=600)] = 10.0
    memory_capacity: Annotated[int, Field(ge=1, le=100_000)] = 512
    memory_within_s: Annotated[float, Field(gt=0, le=600)] = 10.0
    erasure_within_s: Annotated[float, Field(gt=0, le=600)] = 20.0
    partition_pin_s: Annotated[float, Field(ge=0.1, le=60)] = 2.0
    partition_capacity: Annotated[int, Field(ge=1, le=100_000)] = 512
    turn_invocations: Annotated[int, Field(ge=1, le=1_000)] = 256
    turn_bytes: Annotated[int, Field(ge=1_024)] = 256 * 1_024
    payload_bytes: Annotated[int, Field(ge=1_024, le=MAX_PAYLOAD_BYTES)] = MAX_PAYLOAD_BYTES
    turn_silence_s: Annotated[float, Field(gt=0, le=60)] = 3.0
    turn_attempts: Annotated[int, Field(ge=1, le=100)] = 5
    turn_deadline_s: Annotated[float, Field(gt=0)] = 600.0
    runner_patience_s: Annotated[float, Field(ge=0, le=60)] = 2.0
    read_within_s: Annotated[float, Field(gt=0, le=600)] = 25.0
    snapshot_every: Annotated[int, Field(ge=1, le=500)] = 50
    remembered_outcomes: Annotated[int, Field(ge=1, le=100_000)] = 1_000
    hot_entities: Annotated[int, Field(ge=1)] = 5_000
    hot_bytes: Annotated[int, Field(ge=1)] = 256 * 1_024 * 1_024
    hot_idle_s: Annotated[float, Field(ge=0.1)] = 300.0
    audited_per_s: Annotated[float, Field(gt=0, le=100_000)] = 50.0
    audit_every_s: Annotated[float, Field(ge=0.1, le=86_400)] = 10.0
    index_capacity: Annotated[int, Field(ge=1, le=100_000)] = 256
    runs_kept_s: Annotated[float, Field(ge=0)] = 30 * DAY_S
    retention_look_s: Annotated[float, Field(ge=0.1, le=86_400)] = 60.0
