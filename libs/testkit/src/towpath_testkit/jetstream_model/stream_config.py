"""The configuration of a stream: what may be asked for, what is made of it, and what is refused."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from towpath_testkit.jetstream_model import patterns
from towpath_testkit.jetstream_model.clock import SECOND
from towpath_testkit.jetstream_model.refusals import NotModelledError, RefusedError, refused

_WINDOW_NS = 120 * SECOND
_LEAST_NS = SECOND // 10
_NO_LIMIT = -1
_HARMLESS = {
    "compression",
    "max_consumers",
    "consumer_limits",
    "metadata",
    "mirror_direct",
    "sealed",
    "no_ack",
}


@dataclass(frozen=True, slots=True)
class StreamConfig:
    """The settings that the model knows, under JetStream's own names; times are nanoseconds."""

    name: str
    subjects: tuple[str, ...] = ()
    description: str = ""
    retention: str = "limits"
    storage: str = "file"
    discard: str = "old"
    discard_new_per_subject: bool = False
    max_msgs: int = _NO_LIMIT
    max_bytes: int = _NO_LIMIT
    max_age: int = 0
    max_msgs_per_subject: int = _NO_LIMIT
    max_msg_size: int = _NO_LIMIT
    duplicate_window: int = 0
    deny_delete: bool = False
    deny_purge: bool = False
    allow_rollup_hdrs: bool = False
    allow_direct: bool = False
    allow_msg_ttl: bool = False
    allow_msg_schedules: bool = False
    allow_atomic: bool = False
    num_replicas: int = 1

    @classmethod
    def asked(cls, question: Mapping[str, Any]) -> "StreamConfig":
        """Read what a client asked for, with the server's defaults.

        Raises:
            RefusedError: If the server would refuse it.
            NotModelledError: If the model does not know it.
        """
        known = cls.__dataclass_fields__
        unknown = {
            name for name in question if name not in known and name not in _HARMLESS and question[name]
        }
        if unknown:
            raise NotModelledError(f"stream settings {sorted(unknown)}")
        told: dict[str, Any] = {name: value for name, value in question.items() if name in known}
        told["subjects"] = tuple(told.get("subjects") or ())
        config = _completed(cls(**told))
        _check(config)
        return config

    def as_json(self) -> dict[str, Any]:
        """Write it as the server does."""
        return _as_json(self)

    def keeps(self, subject: str) -> bool:
        """Tell whether messages with this subject belong to the stream."""
        return _keeps(self.subjects, subject)

    def may_keep(self, first: str) -> bool:
        """Tell whether a subject whose first token is this may belong to the stream."""
        return first in _first_tokens(self.subjects)

    def meets(self, pattern: str) -> bool:
        """Tell whether some subject that matches a pattern belongs to the stream."""
        return any(patterns.collide(own, pattern) for own in self.subjects)

    def overlaps(self, other: "StreamConfig") -> bool:
        """Tell whether some subject would belong to both streams."""
        return any(map(self.meets, other.subjects))


@lru_cache(maxsize=1_000)
def _as_json(config: StreamConfig) -> dict[str, Any]:
    said = {name: getattr(config, name) for name in config.__dataclass_fields__}
    return {**said, "subjects": list(config.subjects), "max_consumers": -1, "compression": "none"}


@lru_cache(maxsize=200_000)
def _keeps(own: tuple[str, ...], subject: str) -> bool:
    return any(patterns.matches(pattern, subject) for pattern in own)


@lru_cache(maxsize=1_000)
def _first_tokens(subjects: tuple[str, ...]) -> "frozenset[str] | _Anything":
    found = frozenset(patterns.tokens(subject)[0] for subject in subjects)
    return found if all(map(patterns.is_literal, found)) else _Anything()


class _Anything:
    def __contains__(self, _: str) -> bool:
        return True


def check_update(old: StreamConfig, new: StreamConfig) -> None:
    """Refuse what cannot be changed."""
    for holds, reason in (
        (new.storage == old.storage, "stream configuration update can not change storage type"),
        (
            new.retention == old.retention,
            "stream configuration update can not change retention policy to/from workqueue",
        ),
        (
            new.deny_delete or not old.deny_delete,
            "stream configuration update can not cancel deny message deletes",
        ),
        (new.deny_purge or not old.deny_purge, "stream configuration update can not cancel deny purge"),
        (new.allow_msg_ttl or not old.allow_msg_ttl, "message TTL status can not be disabled"),
        (new.allow_msg_schedules or not old.allow_msg_schedules, "message schedules can not be disabled"),
    ):
        if not holds:
            raise _invalid(reason)


def _completed(config: StreamConfig) -> StreamConfig:
    limits = {
        name: _NO_LIMIT
        for name in ("max_msgs", "max_bytes", "max_msgs_per_subject", "max_msg_size")
        if getattr(config, name) <= 0
    }
    window = config.duplicate_window or (min(config.max_age, _WINDOW_NS) if config.max_age else _WINDOW_NS)
    implied = {"allow_rollup_hdrs": True, "deny_purge": False} if _schedules_imply_rollup(config) else {}
    subjects = config.subjects or (config.name,)
    return replace(config, **limits, **implied, duplicate_window=window, subjects=subjects)


def _schedules_imply_rollup(config: StreamConfig) -> bool:
    return config.allow_msg_schedules and not config.allow_rollup_hdrs


def _check(config: StreamConfig) -> None:
    if config.retention not in {"limits", "workqueue"} or config.num_replicas not in {0, 1}:
        raise NotModelledError(f"stream {config.name}: its retention or its replicas")
    for holds, reason in _rules(config):
        if not holds:
            raise _invalid(reason)


def _rules(config: StreamConfig) -> list[tuple[bool, str]]:
    per_subject, discards_new = config.discard_new_per_subject, config.discard == "new"
    window = config.duplicate_window
    return [
        (config.max_age >= 0, "max age can not be negative"),
        (config.max_age == 0 or config.max_age >= _LEAST_NS, "max age needs to be >= 100ms"),
        (window >= 0, "duplicates window can not be negative"),
        (config.max_age == 0 or window <= config.max_age, "duplicates window can not be larger then max age"),
        (window >= _LEAST_NS, "duplicates window needs to be >= 100ms"),
        (not (config.deny_purge and config.allow_rollup_hdrs), "roll-ups require the purge permission"),
        (not per_subject or discards_new, "discard new per subject requires discard new policy to be set"),
        (
            not per_subject or config.max_msgs_per_subject > 0,
            "discard new per subject requires max msgs per subject > 0",
        ),
        (not (config.allow_msg_schedules and discards_new), "message scheduling cannot use discard new"),
        (all(map(patterns.is_valid, config.subjects)), "invalid subject"),
        (len(set(config.subjects)) == len(config.subjects), "duplicate subjects detected"),
        *_overlaps(config.subjects),
    ]


def _overlaps(subjects: tuple[str, ...]) -> list[tuple[bool, str]]:
    return [
        (not patterns.collide(one, other), f'subject "{one}" overlaps with "{other}"')
        for place, one in enumerate(subjects)
        for other in subjects[place + 1 :]
    ]


def _invalid(reason: str) -> RefusedError:
    return refused(10052, reason=reason)
