"""Performs operations on a server, be it real or the model, and writes down what is seen of it."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from towpath_testkit.jetstream_model.messages import timestamp
from towpath_testkit.model_check.asking import Asker, Sent
from towpath_testkit.model_check.operations import INBOXES, Operation
from towpath_testkit.model_check.seen import Pins, api_answer, delivered, plain
from towpath_testkit.model_check.settings import STREAMS, Settings

Pace = Callable[[], Awaitable[None]]

_HEADERS = {
    "subject": "Nats-Expected-Last-Subject-Sequence",
    "of": "Nats-Expected-Last-Subject-Sequence-Subject",
    "stream": "Nats-Expected-Last-Sequence",
    "second": "Nats-Expected-Last-Sequence",
    "last_id": "Nats-Expected-Last-Msg-Id",
    "rollup": "Nats-Rollup",
    "ttl": "Nats-TTL",
    "in": "Nats-Expected-Stream",
}
_SCHEDULE_HEADERS = {
    "ttl": "Nats-Schedule-TTL",
    "rollup": "Nats-Schedule-Rollup",
    "zone": "Nats-Schedule-Time-Zone",
}
_JUST_BEFORE_S = 0.015


class Outcome(NamedTuple):
    """What was seen of one operation.

    Attributes:
        succeeded: Whether it did; None where that cannot be said.
        seen: Everything that came, from its beginning to that of the next operation.
    """

    operation: Operation
    succeeded: bool | None
    seen: list[Any]


class Player:
    """Performs one sequence of operations; all it makes at the server begins with `prefix`."""

    def __init__(self, asker: Asker, prefix: str, pace: Pace) -> None:
        self._asker = asker
        self._prefix = prefix
        self._pace = pace
        self._came: list[tuple[str, Any]] = []
        self._deliveries: dict[str, list[Msg]] = {}
        self._listening: dict[int, Subscription] = {}
        self._moments: list[float] = []
        self._last: dict[str, int] = {}
        self._last_ids: dict[str, str] = {}
        self._pins = Pins()

    async def play(self, chosen: list[Operation]) -> list[Outcome]:
        """Perform all, one after the other."""
        for number in range(INBOXES):
            await self._asker.listen(self._asker.inbox(number), self._on_delivery(number))
        outcomes = [await self._perform(operation) for operation in chosen]
        await self._pace()
        outcomes.append(Outcome(Operation("end"), None, self._taken()))
        # What came before an operation is of the one before it
        seen = [*(outcome.seen for outcome in outcomes[1:]), []]
        return [outcome._replace(seen=came) for outcome, came in zip(outcomes, seen, strict=True)]

    async def _perform(self, operation: Operation) -> Outcome:
        await self._pace()
        before = self._taken()
        self._moments.append(time.time())
        succeeded = await getattr(self, f"_{operation.kind}")(**operation.details)
        return Outcome(operation, succeeded, before)

    def _taken(self) -> list[Any]:
        """Take what came, by place: consumers act each for itself, so between them there is no order."""
        came, self._came = self._came, []
        return sorted(came, key=lambda one: (one[0], "" if "," in one[0] else str(one[1])))

    def _on_delivery(self, number: int) -> Callable[[Msg], Awaitable[None]]:
        async def take(message: Msg) -> None:
            place = f"inbox {number}"
            if message.reply.startswith("$JS.ACK."):
                consumer = ".".join(message.reply.split(".")[2:4])
                self._deliveries.setdefault(consumer, []).append(message)
                place = f"{place}, {consumer}"
            self._came.append((place, delivered(message, self._pins)))

        return take

    def _note(self, place: str, answers: list[Msg]) -> None:
        self._came.append((place, [delivered(answer, self._pins) for answer in answers]))

    async def _call(self, call: str, question: Settings | None = None) -> bool:
        body = b"" if question is None else json.dumps(question).encode()
        answers = await self._asker.ask(f"$JS.API.{call}", body)
        said = [api_answer(answer.data) for answer in answers]
        self._came.append(("api", said))
        return bool(said) and all("error" not in one for one in said)

    # --- Names ------------------------------------------------------------------------------------

    def _stream(self, kind: str) -> str:
        return f"{self._prefix}-{kind}"

    def _subject(self, kind: str, letter: str) -> str:
        return f"{self._prefix}.{kind}.{letter}" if letter else ""

    def _moment(self, number: int) -> str:
        """Write the moment just before an operation that was performed."""
        moment = self._moments[number % len(self._moments)]
        return timestamp(int((moment - _JUST_BEFORE_S) * 1e9))

    # --- Streams ----------------------------------------------------------------------------------

    def _stream_config(self, kind: str, changes: Settings) -> Settings:
        base = {"name": self._stream(kind), "subjects": [f"{self._prefix}.{kind}.*"], "allow_direct": True}
        return {**base, **STREAMS[kind], **changes}

    async def _create_stream(self, kind: str, changes: Settings) -> bool:
        return await self._call(f"STREAM.CREATE.{self._stream(kind)}", self._stream_config(kind, changes))

    async def _update_stream(self, kind: str, changes: Settings) -> bool:
        return await self._call(f"STREAM.UPDATE.{self._stream(kind)}", self._stream_config(kind, changes))

    async def _delete_stream(self, kind: str) -> bool:
        return await self._call(f"STREAM.DELETE.{self._stream(kind)}")

    async def _stream_info(self, kind: str) -> bool:
        return await self._call(f"STREAM.INFO.{self._stream(kind)}")

    async def _purge(self, kind: str, filter: str, **how: int) -> bool:  # noqa: A002 - JetStream's name
        pattern = filter if filter in {"", ">"} else self._subject(kind, filter)
        return await self._call(f"STREAM.PURGE.{self._stream(kind)}", {"filter": pattern, **how})

    async def _delete_message(self, kind: str, seq: int) -> bool:
        return await self._call(f"STREAM.MSG.DELETE.{self._stream(kind)}", {"seq": seq, "no_erase": True})

    # --- Publishing -------------------------------------------------------------------------------

    async def _publish(self, kind: str, **message: Any) -> bool:
        return await self._store(kind, [self._message(kind, **message)])

    async def _batch(
        self, kind: str, name: str, numbers: list[str], messages: list[Settings], *, commits: bool
    ) -> bool:
        sent = [self._message(kind, **message) for message in messages]
        for number, message in zip(numbers, sent, strict=True):
            message.headers.update({"Nats-Batch-Id": name, "Nats-Batch-Sequence": number})
        if commits:
            sent[-1].headers["Nats-Batch-Commit"] = "1"
        return await self._store(kind, sent)

    def _message(self, kind: str, letter: str, body: str, conditions: Settings, id: str = "") -> Sent:  # noqa: A002 - as it is called
        headers = self._conditions(kind, letter, conditions)
        if id:
            headers["Nats-Msg-Id"] = id
        return Sent(self._subject(kind, letter), body.encode(), headers)

    async def _store(self, kind: str, messages: list[Sent]) -> bool:
        answers = await self._asker.ask_all(messages)
        said: list[Settings] = [plain(json.loads(answer.data)) if answer.data else {} for answer in answers]
        self._came.append(("stored", said))
        new = [one for one in said if "seq" in one and "duplicate" not in one]
        for one in new:
            self._remember(kind, messages[-one.get("count", 1) :], one["seq"])
        return bool(new)

    def _remember(self, kind: str, messages: list[Sent], last: int) -> None:
        for sequence, message in enumerate(messages, start=last + 1 - len(messages)):
            self._last[kind] = self._last[message.subject] = sequence
            self._last_ids[kind] = message.headers.get("Nats-Msg-Id", "")

    def _conditions(self, kind: str, letter: str, asked: dict[str, str]) -> dict[str, str]:
        right = {
            "subject": str(self._last.get(self._subject(kind, asked.get("of", letter)), 0)),
            "stream": str(self._last.get(kind, 0)),
            "second": str(self._last.get(kind, 0) + 1),
            "last_id": self._last_ids.get(kind, "") or "none",
            "in": self._stream(kind),
        }
        told = {name: right[name] if value == "right" else value for name, value in asked.items()}
        if "of" in told:
            told["of"] = self._subject(kind, told["of"])
        return {_HEADERS[name]: value for name, value in told.items()}

    async def _schedule(self, kind: str, letter: str, pattern: str, target: str, **rest: str) -> bool:
        when, _, seconds = pattern.partition(" ")
        if when == "in":
            due = datetime.fromtimestamp(time.time() + float(seconds), UTC)
            pattern = f"@at {due:%Y-%m-%dT%H:%M:%S.%f}Z"
        headers = {"Nats-Schedule": pattern, "X-Kept": "as it is"}
        headers |= {_SCHEDULE_HEADERS[name]: value for name, value in rest.items()}
        if target:
            headers["Nats-Schedule-Target"] = self._subject(kind, target)
        return await self._store(kind, [Sent(self._subject(kind, letter), b"timer", headers)])

    async def _cancel_schedule(
        self, kind: str, letter: str, scheduler: str, upcoming: str, **rest: str
    ) -> bool:
        subject = self._subject(kind, scheduler)
        told = {"Nats-Scheduler": subject, "Nats-Schedule-Next": upcoming}
        if "expected" in rest:
            right = str(self._last.get(subject, 0))
            told[_HEADERS["subject"]] = right if rest["expected"] == "right" else rest["expected"]
            told[_HEADERS["of"]] = subject or "x"
        headers = {name: value for name, value in told.items() if value}
        return await self._store(kind, [Sent(self._subject(kind, letter), b"", headers)])

    # --- Consumers --------------------------------------------------------------------------------

    async def _create_consumer(self, kind: str, name: str, action: str, config: Settings) -> bool:
        asked = dict(config)
        if "filter_subject" in asked:
            asked["filter_subject"] = self._subject(kind, asked["filter_subject"])
        if "filter_subjects" in asked:
            asked["filter_subjects"] = [self._subject(kind, one) for one in asked["filter_subjects"]]
        if "opt_start_time" in asked:
            asked["opt_start_time"] = self._moment(asked["opt_start_time"])
        question = {"stream_name": self._stream(kind), "config": asked, "action": action}
        return await self._call(f"CONSUMER.CREATE.{self._stream(kind)}.{name}", question)

    async def _delete_consumer(self, kind: str, name: str) -> bool:
        return await self._call(f"CONSUMER.DELETE.{self._stream(kind)}.{name}")

    async def _consumer_info(self, kind: str, name: str) -> bool:
        return await self._call(f"CONSUMER.INFO.{self._stream(kind)}.{name}")

    async def _unpin(self, kind: str, name: str, group: str) -> bool:
        return await self._call(f"CONSUMER.UNPIN.{self._stream(kind)}.{name}", {"group": group})

    async def _pull(self, kind: str, name: str, inbox: int, question: Settings, body: str | None) -> bool:
        asked = dict(question)
        if asked.get("id") == "right":
            asked["id"] = self._pins.newest
        sent = json.dumps(asked) if body is None else body
        before = len(self._came)
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{self._stream(kind)}.{name}"
        await self._asker.tell(subject, sent.encode(), reply=self._asker.inbox(inbox))
        return not any("Status" in str(one) for one in self._came[before:])

    async def _settle(self, kind: str, name: str, back: int, said: str, nap_ms: int) -> bool | None:
        deliveries = self._deliveries.get(f"{self._stream(kind)}.{name}") or self._some_deliveries()
        if not deliveries:
            return None
        message = deliveries[-1 - back % len(deliveries)]
        if said.endswith(" nap"):
            said = f'-NAK {{"delay": {nap_ms * 1_000_000}}}'
        answers = await self._asker.ask(message.reply, said.encode())
        self._note("settled", answers)
        return bool(answers) and not any(answer.headers for answer in answers)

    def _some_deliveries(self) -> list[Msg]:
        return self._deliveries[min(self._deliveries)] if self._deliveries else []

    # --- Reading ----------------------------------------------------------------------------------

    async def _get(self, kind: str, question: Settings) -> bool:
        asked = dict(question)
        for name in ("last_by_subj", "next_by_subj"):
            if name in asked:
                asked[name] = self._subject(kind, asked[name])
        if "multi_last" in asked:
            asked["multi_last"] = [self._subject(kind, one) for one in asked["multi_last"]]
        if "start_time" in asked:
            asked["start_time"] = self._moment(asked["start_time"])
        subject = f"$JS.API.DIRECT.GET.{self._stream(kind)}"
        answers = await self._asker.ask(subject, json.dumps(asked).encode())
        self._note("read", answers)
        return bool(answers) and "Nats-Subject" in str(answers[0].headers)

    # --- Core -------------------------------------------------------------------------------------

    async def _listen(self, who: int, pattern: str, queue: str) -> bool:
        if who in self._listening:
            return False
        place = f"queue {queue}" if queue else f"listener {who}"

        async def take(message: Msg) -> None:
            self._came.append((place, delivered(message, self._pins)))
            if message.reply:
                await message.respond(b"heard")

        subject = f"{self._prefix}.{pattern}"
        self._listening[who] = await self._asker.listen(subject, take, queue=queue, connection=who)
        return True

    async def _hang_up(self, who: int) -> bool:
        subscription = self._listening.pop(who, None)
        if subscription is None:
            return False
        await self._asker.hang_up(subscription)
        return True

    async def _tell(self, subject: str) -> bool:
        before = len(self._came)
        await self._asker.tell(f"{self._prefix}.{subject}", b"news")
        return len(self._came) > before

    async def _question(self, subject: str) -> bool:
        answers = await self._asker.ask(f"{self._prefix}.{subject}", b"question")
        self._note("asked", answers)
        return bool(answers) and all(answer.data for answer in answers)

    async def _pass_time(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
