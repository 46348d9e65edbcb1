"""The neighbours of an entity store, played for its tests: runs that call methods, and a runner that executes them."""

import asyncio
import itertools
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

from towpath_chassis.jetstream import JetStream
from towpath_chassis.messages import Message
from towpath_chassis.wire import barrier
from towpath_schemas import subjects
from towpath_schemas.attribution import Attribution
from towpath_schemas.calls import Answered, Taken
from towpath_schemas.entities import (
    Changes,
    InvocationDone,
    InvocationRequested,
    TurnProgress,
    TurnRequested,
    TurnsRequested,
)
from towpath_schemas.failure import Failure

SERVICE = "shop"
TENANT = "acme"

EXPIRES_IN = "<expires in>"
"""A method of a played runner sets this state value to the seconds after which the state is to expire."""

Method = Callable[[dict[str, Any], InvocationRequested], Any]


def invocation(entity_key: str, method: str, arguments: Any = None, **changes: Any) -> InvocationRequested:
    """Write a call of a method of the entity type `Cart`."""
    known: dict[str, Any] = {
        "invocation_id": f"{entity_key}-{method}-{arguments}",
        "run_id": "run",
        "key": "call",
        "service": SERVICE,
        "entity_type": "Cart",
        "entity_key": entity_key,
        "method": method,
        "arguments": arguments,
        "attribution": Attribution(tenant=TENANT),
        "correlation_id": "correlation",
    }
    return InvocationRequested(**{**known, **changes})


class PlayedRun:
    """A run that is held in memory: its calls are put into mailboxes, its answers are taken."""

    def __init__(self, js: JetStream, run_id: str) -> None:
        self.run_id = run_id
        self.answers: list[Answered] = []
        self._js = js
        self._waiting: dict[str, asyncio.Future[Answered]] = {}
        self._keys = itertools.count()

    async def call(self, entity_key: str, method: str, arguments: Any = None, **changes: Any) -> Answered:
        """Call a method and wait for the answer."""
        key = f"call#{next(self._keys)}"
        known = {"run_id": self.run_id, "key": key, "invocation_id": f"{self.run_id}-{key}"}
        asked = invocation(entity_key, method, arguments, **{**known, **changes})
        answer = self.expect(key)
        await self.send(asked)
        return await answer

    def expect(self, key: str) -> "asyncio.Future[Answered]":
        """Promise the next answer to the call at `key`."""
        self._waiting[key] = asyncio.get_running_loop().create_future()
        return self._waiting[key]

    async def send(self, asked: InvocationRequested) -> int:
        """Put a call into its mailbox; return its place there."""
        return (await self._js.publish(asked.entity.mailbox, asked.to_body())).sequence

    async def read(self, entity_key: str, method: str, **changes: Any) -> Answered:
        """Call a shared method."""
        asked = invocation(entity_key, method, **{"run_id": self.run_id, **changes})
        return Answered.from_body(
            (await self._js.request(asked.entity.readings, asked.to_body(), within_s=30)).data
        )

    async def take(self, message: Message) -> None:
        """Take an answer, as the holder of a run does."""
        answered = Answered.from_body(message.data)
        self.answers.append(answered)
        await self._js.respond(message, Taken(taken=True).to_body())
        waiting = self._waiting.pop(answered.key, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(answered)


@asynccontextmanager
async def played_run(js: JetStream, run_id: str) -> AsyncGenerator[PlayedRun]:
    """Hold a run until the end of the block."""
    run = PlayedRun(js, run_id)
    subscription = await js.subscribe(subjects.live(run_id), run.take)
    await barrier(js.nats)
    yield run
    await subscription.unsubscribe()


class PlayedRunner:
    """Executes turns with one plain function, which changes the state it is given and returns the result.

    Attributes:
        turns: The turns it was asked for.
        silent_turns: How many of the next turns it takes and says nothing about, as a lost runner would.
        open: While it is cleared, turns are kept waiting, with signs of life.
    """

    def __init__(self, js: JetStream, method: Method) -> None:
        self._js = js
        self.turns: list[TurnRequested] = []
        self.silent_turns = 0
        self.open = asyncio.Event()
        self.open.set()
        self.asked = asyncio.Event()
        self._method = method
        self._working: set[asyncio.Task[None]] = set()

    async def take(self, message: Message) -> None:
        """Take a turn."""
        task = asyncio.create_task(self._work(message))
        self._working.add(task)
        task.add_done_callback(self._working.discard)

    async def _work(self, message: Message) -> None:
        turns = TurnsRequested.from_body(message.data).turns
        self.turns += turns
        self.asked.set()
        if self.silent_turns > 0:
            self.silent_turns -= len(turns)
            return
        while not all(turn.read_only for turn in turns) and not self.open.is_set():
            await self._js.respond(message, TurnProgress().to_body())
            await _at_most(self.open, 0.2)
        done = dict(enumerate(map(self._outcomes, turns)))
        await self._js.respond(message, TurnProgress(done=done).to_body())

    def _outcomes(self, turn: TurnRequested) -> tuple[InvocationDone, ...]:
        state, done = dict(turn.state), list[InvocationDone]()
        for asked in turn.invocations:
            state, outcome = self._outcome(state, asked)
            done.append(outcome)
        return tuple(done)

    def _outcome(
        self, before: dict[str, Any], asked: InvocationRequested
    ) -> tuple[dict[str, Any], InvocationDone]:
        after = dict(before)
        try:
            result = self._method(after, asked)
        except ValueError as error:
            failure = Failure(code="user_error", message=str(error), error_type="ValueError")
            return before, InvocationDone(invocation_id=asked.invocation_id, failure=failure)
        expires_in_s = after.pop(EXPIRES_IN, None)
        values = {
            name: value for name, value in after.items() if name not in before or before[name] is not value
        }
        changes = Changes(
            values=values, deleted=tuple(before.keys() - after.keys()), expires_in_s=expires_in_s
        )
        return after, InvocationDone(invocation_id=asked.invocation_id, result=result, changes=changes)


async def _at_most(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return


@asynccontextmanager
async def played_runner(js: JetStream, method: Method) -> AsyncGenerator[PlayedRunner]:
    """Execute turns of the service until the end of the block."""
    runner = PlayedRunner(js, method)
    subscription = await js.subscribe(subjects.entity_turn(SERVICE), runner.take, queue=SERVICE)
    await barrier(js.nats)
    yield runner
    await subscription.unsubscribe()


def cart(state: dict[str, Any], asked: InvocationRequested) -> Any:
    """Execute a method of `Cart`: add, remove, fail, items (shared)."""
    match asked.method:
        case "add":
            state["items"] = [*state.get("items", ()), asked.arguments]
            return len(state["items"])
        case "set":
            state.update(asked.arguments)
            return None
        case "clear":
            state.pop("items", None)
            return None
        case "fail":
            state["items"] = ["broken"]
            raise ValueError("out of stock")
        case _:
            return state.get("items", [])
