"""The configuration of a pull consumer: what may be asked for, what is made of it, and what is refused."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from towpath_testkit.jetstream_model import patterns
from towpath_testkit.jetstream_model.clock import SECOND
from towpath_testkit.jetstream_model.refusals import NotModelledError, RefusedError, refused
from towpath_testkit.jetstream_model.stream_config import StreamConfig

ACK_WAIT_NS = 30 * SECOND
INACTIVE_NS = 5 * SECOND
_PINNED_NS = 120 * SECOND
_MAX_WAITING = 512
_MAX_ACK_PENDING = 1_000
_UNLIMITED = -1
_HARMLESS = {"metadata", "num_replicas"}
_UNLISTED = ("filter_subjects", "priority_groups")


@dataclass(frozen=True, slots=True)
class ConsumerConfig:
    """The settings that the model knows, under JetStream's own names; times are nanoseconds."""

    name: str = ""
    durable_name: str = ""
    description: str = ""
    ack_policy: str = "none"
    deliver_policy: str = "all"
    replay_policy: str = "instant"
    opt_start_seq: int = 0
    opt_start_time: str = ""
    filter_subject: str = ""
    filter_subjects: tuple[str, ...] = ()
    ack_wait: int = 0
    max_deliver: int = _UNLIMITED
    max_ack_pending: int = 0
    max_waiting: int = 0
    inactive_threshold: int = 0
    mem_storage: bool = False
    priority_groups: tuple[str, ...] = ()
    priority_policy: str = "none"
    priority_timeout: int = 0

    @classmethod
    def asked(cls, question: Mapping[str, Any], stream: StreamConfig) -> "ConsumerConfig":
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
            raise NotModelledError(f"consumer settings {sorted(unknown)}")
        told = {name: value for name, value in question.items() if name in known}
        told |= {name: tuple(told.get(name) or ()) for name in _UNLISTED}
        config = _completed(cls(**told))
        _check(config, stream)
        return config

    def as_json(self) -> dict[str, Any]:
        """Write it as the server does: what is not set is left out."""
        told = {name: value for name, value in asdict(self).items() if value or name == "num_replicas"}
        if self.priority_policy == "none":
            del told["priority_policy"]
        lists = {name: list(told[name]) for name in _UNLISTED if name in told}
        return {**told, **lists, "num_replicas": 0}

    @property
    def filters(self) -> tuple[str, ...]:
        """The patterns of subjects that are wanted; empty for all."""
        return (self.filter_subject,) if self.filter_subject else self.filter_subjects

    @property
    def pinned(self) -> bool:
        """Whether one client at a time gets the messages."""
        return self.priority_policy == "pinned_client"


_FIXED = {
    "deliver_policy": "deliver policy can not be updated",
    "mem_storage": "storage type can not be updated",
    "opt_start_seq": "start sequence can not be updated",
    "opt_start_time": "start time can not be updated",
    "ack_policy": "ack policy can not be updated",
    "replay_policy": "replay policy can not be updated",
    "max_waiting": "max waiting can not be updated",
}


def check_update(old: ConsumerConfig, new: ConsumerConfig) -> None:
    """Refuse what cannot be changed."""
    for name, reason in _FIXED.items():
        if getattr(old, name) != getattr(new, name):
            raise refused(10012, reason=reason)
    if old.filters and not new.filters:
        raise NotModelledError("a consumer that loses its filters: the server (2.15.1) then wakes it no more")


def check_workqueue(config: ConsumerConfig, others: list[ConsumerConfig]) -> None:
    """Refuse what a work queue does not allow beside its other consumers."""
    if config.ack_policy != "explicit":
        raise refused(10098)
    if config.deliver_policy != "all":
        raise refused(10101)
    if others and not config.filters:
        raise refused(10099)
    check_alone(config, others)


def check_alone(config: ConsumerConfig, others: list[ConsumerConfig]) -> None:
    """Refuse to share a message of a work queue with another consumer."""
    for one in config.filters:
        if any(
            not other.filters or any(patterns.collide(one, two) for two in other.filters) for other in others
        ):
            raise refused(10100)


def _completed(config: ConsumerConfig) -> ConsumerConfig:
    acknowledges = config.ack_policy == "explicit"
    return replace(
        config,
        max_deliver=config.max_deliver if config.max_deliver > 0 else _UNLIMITED,
        max_waiting=max(config.max_waiting, 0) or _MAX_WAITING,
        ack_wait=config.ack_wait or (ACK_WAIT_NS if acknowledges else 0),
        max_ack_pending=max(config.max_ack_pending, -1) or (_MAX_ACK_PENDING if acknowledges else 0),
        inactive_threshold=max(config.inactive_threshold, 0),
        priority_timeout=config.priority_timeout or (_PINNED_NS if config.pinned else 0),
        priority_policy=config.priority_policy or "none",
    )


def _check(config: ConsumerConfig, stream: StreamConfig) -> None:
    if (
        config.ack_policy not in {"none", "explicit"}
        or config.deliver_policy not in _POLICIES
        or config.replay_policy != "instant"
        or config.priority_policy not in {"none", "pinned_client"}
    ):
        raise NotModelledError(f"a consumer that is {config}")
    if config.ack_wait < 0:
        raise refused(10183)
    if config.ack_policy == "none" and stream.retention == "workqueue":
        raise refused(10084)
    _check_filters(config)
    _check_start(config)
    if config.durable_name and config.name not in {"", config.durable_name}:
        raise refused(10132)
    _check_priority(config)


def _check_filters(config: ConsumerConfig) -> None:
    if config.filter_subject and config.filter_subjects:
        raise refused(10136)
    if not all(config.filter_subjects):
        raise refused(10139)
    for place, pattern in enumerate(config.filters):
        if not patterns.is_valid(pattern):
            raise refused(10052, reason="malformed subject")
        rest = (*config.filters[:place], *config.filters[place + 1 :])
        if any(patterns.covers(other, pattern) for other in rest):
            raise refused(10138)


_POLICIES = {"all", "new", "last", "by_start_sequence", "by_start_time"}


def _check_start(config: ConsumerConfig) -> None:
    policy = config.deliver_policy.replace("_", " ").removeprefix("by ")
    told = {"sequence": bool(config.opt_start_seq), "time": bool(config.opt_start_time)}
    by = f"by {policy}" if policy.startswith("start ") else policy
    for kind, is_set in told.items():
        if policy == f"start {kind}":
            if not is_set:
                raise _bad_start(
                    f"consumer delivery policy is deliver {by}, but optional start {kind} is not set"
                )
        elif is_set:
            shown = kind if policy != "start time" else f"start {kind}"
            raise _bad_start(
                f"consumer delivery policy is deliver {by}, but optional start {shown} is also set"
            )


def _bad_start(reason: str) -> RefusedError:
    return refused(10094, reason=reason)


def _check_priority(config: ConsumerConfig) -> None:
    if config.priority_policy == "none":
        if config.priority_groups:
            raise refused(10196)
        if config.priority_timeout:
            raise refused(10197)
    elif not config.priority_groups:
        raise refused(10159)
    elif not all(re.fullmatch(r"[a-zA-Z0-9/_=-]{1,16}", group) for group in config.priority_groups):
        raise NotModelledError(f"a priority group like {config.priority_groups}")
