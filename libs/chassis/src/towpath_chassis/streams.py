"""Makes the streams and durable consumers as the schemas list them; safe with many services starting at once."""

import asyncio
from typing import Any

from towpath_chassis.errors import BrokerRefusedError
from towpath_chassis.jetstream import JetStream
from towpath_schemas.streams import STREAMS, Stream

_NANOSECONDS = 1_000_000_000
_EXISTS = frozenset({10058, 10065})


async def ensure_streams(js: JetStream) -> None:
    """Create each stream that is missing and update each that differs."""
    await asyncio.gather(*(_ensure_stream(js, stream) for stream in STREAMS))


async def _ensure_stream(js: JetStream, stream: Stream) -> None:
    wanted = stream_config(stream)
    present = await js.info(f"STREAM.INFO.{stream.name}")
    if present is None:
        await _create(js, wanted)
    elif any(present["config"].get(name, default_of(value)) != value for name, value in wanted.items()):
        await js.api(f"STREAM.UPDATE.{stream.name}", {**present["config"], **wanted})


async def _create(js: JetStream, config: dict[str, Any]) -> None:
    try:
        await js.api(f"STREAM.CREATE.{config['name']}", config)
    except BrokerRefusedError as error:
        if error.code not in _EXISTS:  # another service was faster, maybe with an older list
            raise


def default_of(value: object) -> object:
    """Tell what the broker means by leaving out a setting of this type."""
    return type(value)()


def stream_config(stream: Stream) -> dict[str, Any]:
    """Write a stream as JetStream's configuration."""
    return {
        "name": stream.name,
        "subjects": list(stream.subjects),
        "description": stream.purpose,
        "retention": stream.retention,
        "storage": stream.storage,
        "discard": "new" if stream.write_once or stream.append_only else "old",
        "max_msgs_per_subject": 1 if stream.write_once or stream.last_only else -1,
        "discard_new_per_subject": stream.write_once,
        "max_age": int(stream.max_age_s * _NANOSECONDS),
        "duplicate_window": int(_dedupe_s(stream) * _NANOSECONDS),
        "deny_delete": stream.append_only,
        "deny_purge": stream.append_only,
        "allow_direct": True,
        "allow_msg_schedules": stream.schedules,
        "allow_rollup_hdrs": stream.schedules,
        "allow_msg_ttl": stream.schedules or stream.expiring,
        "allow_atomic": stream.atomic,
        "num_replicas": 1,
    }


def _dedupe_s(stream: Stream) -> float:
    return min(stream.dedupe_s, stream.max_age_s) if stream.max_age_s else stream.dedupe_s


async def ensure_consumer(js: JetStream, stream: Stream, name: str, **settings: Any) -> None:
    """Create a durable pull consumer, or update it where `settings` (JetStream's names) differ."""
    config = {
        "durable_name": name,
        "name": name,
        "ack_policy": "explicit",
        "deliver_policy": "all",
        "replay_policy": "instant",
        "max_deliver": -1,
        **settings,
    }
    call = f"CONSUMER.CREATE.{stream.name}.{name}"
    await js.api(call, {"stream_name": stream.name, "config": config, "action": ""})


async def read_from(
    js: JetStream, stream: Stream, consumer: str, sequence: int, *, ack_wait_s: float, **settings: Any
) -> None:
    """Have a durable consumer begin at a sequence, whatever it has read before; `settings` say what it reads."""
    await js.info(f"CONSUMER.DELETE.{stream.name}.{consumer}")
    await ensure_consumer(
        js,
        stream,
        consumer,
        deliver_policy="by_start_sequence",
        opt_start_seq=sequence,
        ack_wait=nanoseconds(ack_wait_s),
        max_ack_pending=-1,
        **settings,
    )


def nanoseconds(seconds: float) -> int:
    """Write seconds as JetStream's configuration wants them."""
    return int(seconds * _NANOSECONDS)
