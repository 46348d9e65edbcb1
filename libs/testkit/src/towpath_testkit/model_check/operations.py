"""Random operations over what the platform uses of NATS; which ones, depends on the seed alone."""

import random
from dataclasses import dataclass, field
from typing import Any

from towpath_testkit.model_check.settings import STREAMS, Settings, consumer_settings, stream_changes

LETTERS = "abc"
INBOXES = 3
_NOWHERE = "nowhere"
_NAMES = ("one", "two", "idle")
_MS = 1_000_000
_WEIGHTS = {
    "publish": 30,
    "batch": 10,
    "pull": 26,
    "settle": 24,
    "get": 10,
    "create_consumer": 6,
    "consumer_info": 8,
    "schedule": 6,
    "purge": 4,
    "delete_message": 4,
    "pass_time": 5,
    "stream_info": 3,
    "cancel_schedule": 4,
    "listen": 3,
    "question": 3,
    "update_stream": 2,
    "create_stream": 2,
    "delete_consumer": 2,
    "unpin": 4,
    "tell": 2,
    "hang_up": 1,
    "delete_stream": 1,
}
KINDS = tuple(_WEIGHTS)


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing to do; its details are for the player's method of the same name."""

    kind: str
    details: Settings = field(default_factory=dict[str, Any])

    def __str__(self) -> str:
        return f"{self.kind}({', '.join(f'{name}={value!r}' for name, value in self.details.items())})"


def operations(seed: int, count: int) -> list[Operation]:
    """Choose a sequence of operations: some streams and consumers first, so that the rest has something to meet.

    >>> operations(7, 20) == operations(7, 20)
    True
    """
    chooser = _Chooser(random.Random(seed))  # noqa: S311 - repeatable, not secret
    chosen = chooser.beginning()
    while len(chosen) < count:
        chosen.append(chooser.next())
    return chosen


class _Chooser:
    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._kinds = chance.sample([*STREAMS, "timed"], 2)
        self._consumers: list[tuple[str, str]] = []
        self._pinned: list[tuple[str, str]] = []
        self._begun: set[str] = set()

    def beginning(self) -> list[Operation]:
        made = [Operation("create_stream", {"kind": kind, "changes": {}}) for kind in self._kinds]
        made += [Operation("create_consumer", self._create_consumer()) for _ in range(4)]
        made += [Operation("publish", {**self._publish(), "conditions": {}}) for _ in range(6)]
        return [*made, Operation("listen", self._listen())]

    def next(self) -> Operation:
        (kind,) = self._chance.choices(KINDS, [*_WEIGHTS.values()])
        return Operation(kind, getattr(self, f"_{kind}")())

    # --- Choices that recur -----------------------------------------------------------------------

    def _maybe(self, share: float) -> bool:
        return self._chance.random() < share

    def _stream(self) -> str:
        return _NOWHERE if self._maybe(0.04) else self._chance.choice(self._kinds)

    def _consumer(self) -> Settings:
        if self._maybe(0.06) or not self._consumers:
            return {"kind": self._stream(), "name": self._chance.choice(_NAMES)}
        kind, name = self._chance.choice(self._consumers)
        return {"kind": kind, "name": name}

    def _letter(self, *odd: str) -> str:
        return self._chance.choice([*LETTERS, *odd])

    def _moment(self) -> int:
        """Choose an operation of before; the player knows when it was."""
        return self._chance.randrange(60)

    # --- Streams ----------------------------------------------------------------------------------

    def _create_stream(self) -> Settings:
        return self._stream_with_changes(anew=True)

    def _update_stream(self) -> Settings:
        return self._stream_with_changes(anew=False)

    def _stream_with_changes(self, *, anew: bool) -> Settings:
        kind = self._chance.choice(self._kinds)
        return {"kind": kind, "changes": stream_changes(self._chance, kind, anew=anew)}

    def _delete_stream(self) -> Settings:
        return {"kind": self._stream() if self._maybe(0.5) else _NOWHERE}

    def _stream_info(self) -> Settings:
        return {"kind": _NOWHERE if self._maybe(0.1) else self._stream()}

    def _purge(self) -> Settings:
        choices: list[Settings] = [{"keep": 1}, {"keep": 2}, {"seq": self._chance.randint(1, 12)}, {}, {}]
        how = {"seq": 3, "keep": 1} if self._maybe(0.1) else self._chance.choice(choices)
        return {"kind": self._stream(), "filter": self._letter("*", "", ">"), **how}

    def _delete_message(self) -> Settings:
        return {"kind": self._stream(), "seq": self._chance.randint(1, 15)}

    # --- Publishing -------------------------------------------------------------------------------

    def _publish(self) -> Settings:
        pick = self._chance.choice
        more: list[dict[str, str]] = [
            {"rollup": pick(["sub", "sub", "all", "odd"])},
            {"ttl": pick(["1s", "2", "never", "300ms", "soon"])},
        ]
        kind, letter = pick(self._kinds), self._letter()
        conditions = pick([*self._expectations(), *more]) if self._maybe(0.5) else {}
        return {"kind": kind, **self._message(letter, 0.3), "conditions": conditions}

    def _message(self, letter: str, identified: float) -> Settings:
        named = {"id": f"id-{self._chance.randrange(4)}"} if self._maybe(identified) else {}
        return {"letter": letter, "body": "x" * self._chance.randrange(5), **named}

    def _expectations(self) -> list[dict[str, str]]:
        """Draw what may be expected; the player fills in what would be right where it says so."""
        pick = self._chance.choice
        return [
            {"subject": pick(["right", "right", "0", "3"])},
            {"subject": pick(["right", "right", "0", "2"]), "of": self._letter("*")},
            {"of": "a"},
            {"stream": pick(["right", "right", "0", "5"])},
            {"last_id": pick(["right", "right", "id-0", "other"])},
            {"in": pick(["right", "other"])},
        ]

    def _batch(self) -> Settings:
        atomic = [kind for kind in self._kinds if STREAMS[kind].get("allow_atomic")]
        kind, first = self._chance.choice([*self._kinds, *atomic * 3]), self._batched()
        written = {"subject": "right", "of": first["letter"]}
        messages = [first, *(self._batched(written) for _ in range(self._chance.choice([0, 1, 1, 2, 2])))]
        numbers = _numbers(1, len(messages))
        whole: Settings = {"name": "whole", "numbers": numbers, "messages": messages, "commits": True}
        broken = self._broken(len(messages)) if self._maybe(0.25) else {}
        left = self._left(kind, messages) if self._maybe(0.25) else {}
        return {"kind": kind, **whole, **broken, **left}

    def _batched(self, *written: dict[str, str]) -> Settings:
        """Choose a message of a batch; what is `written` in the batch before it cannot be expected."""
        expectations = [*self._expectations(), *written, {"second": "right"}]
        conditions = self._chance.choice(expectations) if self._maybe(0.25) else {}
        return {**self._message(self._letter(*"def"), 0.2), "conditions": conditions}

    def _broken(self, count: int) -> Settings:
        choices: list[Settings] = [
            {"numbers": ["1", "3", "2"][:count]},
            {"numbers": ["2", "1", "1"][:count]},
            {"numbers": ["1001"] * count},
            {"numbers": ["x"] * count},
            {"name": "n" * 64},
            {"name": "n" * 65},
        ]
        return self._chance.choice(choices)

    def _left(self, kind: str, messages: list[Settings]) -> Settings:
        """Leave a batch, or go on with one that was left; by then the server may have given it up."""
        if kind in self._begun and self._maybe(0.8):
            self._begun.remove(kind)
            return {"name": "left", "numbers": _numbers(2, len(messages))}
        self._begun.add(kind)
        return {"name": "left", "numbers": ["1"], "messages": messages[:1], "commits": False}

    def _schedule(self) -> Settings:
        pick = self._chance.choice
        at = [f"in {seconds}" for seconds in ("-1", "0.15", "0.45", "0.8", "1.6")]
        odd = [
            "@at soon",
            "@every 1s",
            "@every 10ms",
            "*/2 * * * * *",
            "* * * * *",
            "@hourly",
            "61 * * * * *",
        ]
        rest: list[dict[str, str]] = [
            {},
            {},
            {},
            {},
            {},
            {},
            {"ttl": "1s"},
            {"ttl": "x"},
            {"rollup": "sub"},
            {"rollup": "all"},
        ]
        zone = {"zone": pick(["UTC", "Europe/Amsterdam", "Nowhere/Land"])} if self._maybe(0.15) else {}
        return {
            "kind": "timed" if "timed" in self._kinds else pick(self._kinds),
            "letter": self._letter(),
            "pattern": pick([*at, *at, *odd]),
            "target": self._letter(*"abcabc", "*", "elsewhere", ""),
            **pick(rest),
            **zone,
        }

    def _cancel_schedule(self) -> Settings:
        pick = self._chance.choice
        return {
            "kind": "timed" if "timed" in self._kinds else pick(self._kinds),
            "letter": pick("de"),
            "scheduler": self._letter("", "*"),
            "upcoming": pick(["purge", "purge", "purge", "", "2030-01-01T00:00:00Z"]),
            **pick([{}, {"expected": "right"}, {"expected": "right"}, {"expected": "1"}]),
        }

    # --- Consumers --------------------------------------------------------------------------------

    def _create_consumer(self) -> Settings:
        kind, name = self._stream(), self._chance.choice(_NAMES)
        known = (kind, name) in self._consumers
        if kind != _NOWHERE and not known:
            self._consumers.append((kind, name))
        config = consumer_settings(self._chance, last_moment=60, filtered=known or kind == "work")
        if "priority_timeout" in config:
            self._pinned.append((kind, name))
        if name == "idle":
            config |= {"inactive_threshold": 700 * _MS, "mem_storage": True}
        else:
            config["durable_name"] = name
        action = self._chance.choice(["", "", "", "", "create", "update"])
        return {"kind": kind, "name": name, "action": action, "config": config}

    def _delete_consumer(self) -> Settings:
        return self._consumer()

    def _consumer_info(self) -> Settings:
        return self._consumer()

    def _unpin(self) -> Settings:
        kind, name = self._chance.choice(self._pinned or [(self._stream(), "one")])
        return {"kind": kind, "name": name, "group": self._chance.choice(["g", "g", "g", "h", ""])}

    def _pull(self) -> Settings:
        question: Settings = {"batch": self._chance.choice([1, 1, 2, 5])}
        if self._maybe(0.8):
            question["expires"] = self._chance.choice([350, 550, 1_200]) * _MS
        if self._maybe(0.25):
            question["no_wait"] = True
        if self._maybe(0.15):
            question["max_bytes"] = self._chance.choice([30, 90, 200])
        if self._maybe(0.6):
            question["group"] = self._chance.choice(["g", "g", "g", "h"])
            question["id"] = self._chance.choice(["", "", "right", "other"])
        body = self._chance.choice(["", "2", "{"]) if self._maybe(0.06) else None
        inbox = self._chance.randrange(INBOXES)
        return {**self._consumer(), "inbox": inbox, "question": question, "body": body}

    def _settle(self) -> Settings:
        said = ["+ACK", "+ACK", "+ACK", "", "-NAK", "-NAK nap", "+WPI", "+TERM", "+TERM no use", "odd"]
        back, nap_ms = self._chance.choice([0, 0, 1, 2]), self._chance.choice([120, 310, 730])
        return {**self._consumer(), "back": back, "said": self._chance.choice(said), "nap_ms": nap_ms}

    # --- Reading ----------------------------------------------------------------------------------

    def _get(self) -> Settings:
        sequence, letter = self._chance.randint(0, 15), self._letter("*")
        choices: list[Settings] = [
            {"seq": sequence},
            {"last_by_subj": letter},
            {"last_by_subj": letter},
            {"next_by_subj": letter, "seq": sequence},
            {"next_by_subj": letter, "seq": sequence, "batch": self._chance.randint(1, 4)},
            {"multi_last": [letter], "batch": self._chance.choice([1, 2, 1024])},
            {"multi_last": ["a", "c"]},
            {"next_by_subj": letter, "start_time": self._moment(), "batch": self._chance.randint(1, 3)},
            {"seq": sequence, "batch": 3},
            {"seq": 1, "last_by_subj": letter},
            {"last_by_subj": letter, "batch": 2},
            {},
        ]
        return {"kind": self._stream(), "question": self._chance.choice(choices)}

    # --- Core -------------------------------------------------------------------------------------

    def _listen(self) -> Settings:
        pattern = self._chance.choice(["core.a", "core.*", "core.>", "core.b"])
        return {
            "who": self._chance.randrange(3),
            "pattern": pattern,
            "queue": self._chance.choice(["", "", "q", "r"]),
        }

    def _hang_up(self) -> Settings:
        return {"who": self._chance.randrange(3)}

    def _tell(self) -> Settings:
        return {"subject": self._chance.choice(["core.a", "core.a", "core.b", "core.a.b", "none"])}

    def _question(self) -> Settings:
        return self._tell()

    def _pass_time(self) -> Settings:
        return {"seconds": self._chance.choice([0.2, 0.5, 0.9, 1.4])}


def _numbers(first: int, count: int) -> list[str]:
    return [str(number) for number in range(first, first + count)]
