"""Settings of streams and consumers to choose from: like the platform's, with limits that are reached soon."""

import random
from typing import Any

Settings = dict[str, Any]

_MS = 1_000_000

STREAMS: dict[str, Settings] = {
    "work": {"retention": "workqueue", "allow_atomic": True},
    "log": {"allow_rollup_hdrs": True, "max_msgs": 25, "allow_atomic": True},
    "once": {
        "max_msgs_per_subject": 1,
        "discard": "new",
        "discard_new_per_subject": True,
        "allow_atomic": True,
    },
    "last": {"max_msgs_per_subject": 1},
    "timed": {
        "allow_msg_schedules": True,
        "allow_rollup_hdrs": True,
        "allow_msg_ttl": True,
        "allow_atomic": True,
    },
    "chain": {
        "deny_delete": True,
        "deny_purge": True,
        "discard": "new",
        "max_msgs": 8,
        "allow_atomic": True,
    },
    "brief": {
        "storage": "memory",
        "max_age": 1_300 * _MS,
        "duplicate_window": 700 * _MS,
        "allow_atomic": True,
    },
}
"""One stream of each kind."""


def stream_changes(chance: random.Random, kind: str, *, anew: bool) -> Settings:
    """Choose what is different in a stream of a kind that is made or changed; much of it is refused."""
    made: list[Settings] = [
        {},
        {"max_msgs": 3},
        {"duplicate_window": 5 * _MS},
        {"deny_purge": True, "allow_rollup_hdrs": True},
        {"discard_new_per_subject": True, "discard": "old"},
        {"allow_msg_schedules": True, "discard": "new"},
        {"max_age": 50 * _MS},
        {"subjects": ["a.>", "a.b"]},
        {"allow_atomic": False},
    ]
    changed: list[Settings] = [
        {"max_msgs": 6},
        {"max_msgs": -1},
        {"duplicate_window": 400 * _MS},
        {"description": "another"},
        {"allow_atomic": True},
        {"allow_atomic": False},
        {"deny_delete": False},
        {"allow_msg_schedules": False},
        {"retention": "workqueue"},
        {"storage": "memory"},
    ]
    choices = made if anew else changed
    if kind == "once":
        # Beside a limit per subject, one for all makes the server (2.15.1) lose count within a batch
        choices = [one for one in choices if "max_msgs" not in one]
    return chance.choice(choices)


def consumer_settings(chance: random.Random, *, last_moment: int, filtered: bool) -> Settings:
    """Choose the settings of a consumer; some are refused.

    Moments are numbers of operations, up to `last_moment`. If `filtered`, some subjects only are wanted: two
    consumers of a work queue would meet, and a consumer must not lose its filters.
    """
    config: Settings = {
        "ack_policy": chance.choice(["explicit", "explicit", "explicit", "explicit", "none"]),
        "ack_wait": chance.choice([400, 650, 900]) * _MS,
        "max_ack_pending": chance.choice([-1, -1, 0, 1, 2]),
        "max_deliver": chance.choice([-1, -1, -1, 1, 2]),
        "deliver_policy": "all",
        "max_waiting": 3,
    }
    return config | _filters(chance, filtered=filtered) | _rarely(chance, last_moment)


def _filters(chance: random.Random, *, filtered: bool) -> Settings:
    usual: list[Settings] = [{"filter_subject": letter} for letter in "abc"]
    if not filtered:
        usual += [{}, {}, {"filter_subject": "*"}, {"filter_subjects": ["a", "b"]}]
    odd: list[Settings] = [
        {"filter_subject": "*"},
        {"filter_subjects": ["a", "*"]},
        {"filter_subjects": ["a", ""]},
        {"filter_subject": "a", "filter_subjects": ["b"]},
    ]
    return chance.choice(odd if chance.random() < 0.15 else usual)  # noqa: PLR2004 - mostly it is well


def _rarely(chance: random.Random, last_moment: int) -> Settings:
    pinned = {"priority_policy": "pinned_client", "priority_groups": ["g"], "priority_timeout": 800 * _MS}
    choices: list[Settings] = [
        {"deliver_policy": "new"},
        {"deliver_policy": "last"},
        {"deliver_policy": "by_start_sequence", "opt_start_seq": chance.randint(1, 9)},
        {"deliver_policy": "by_start_sequence"},
        {"deliver_policy": "by_start_time", "opt_start_time": chance.randrange(last_moment)},
        {"deliver_policy": "by_start_time"},
        {"opt_start_seq": 4},
        {"priority_groups": ["g"]},
        {"priority_policy": "pinned_client"},
        *[pinned] * 4,
    ]
    return chance.choice(choices) if chance.random() < 0.35 else {}  # noqa: PLR2004 - mostly a plain one
