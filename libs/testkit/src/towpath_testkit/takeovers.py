"""What tests of takeovers share: a workflow that is stopped in the middle, and dispatches out of turn."""

import asyncio

from towpath import Context, workflow
from towpath_chassis.errors import NoResponderError, UnconfirmedError
from towpath_chassis.messages import Message
from towpath_schemas import subjects
from towpath_schemas.calls import Taken
from towpath_schemas.streams import RUNS, runner_consumer
from towpath_testkit.builders import SERVICE, run_dispatched
from towpath_testkit.hosting import Platform
from towpath_testkit.settled import messages_in, until


class ThreeSteps:
    """A workflow of three steps, whose second waits the first time it runs until it is let go on."""

    def __init__(self) -> None:
        self.executed: list[str] = []
        self.reached = asyncio.Event()
        self.go_on = asyncio.Event()

        async def second() -> str:
            self.executed.append("second")
            if self.executed.count("second") == 1:
                self.reached.set()
                await self.go_on.wait()
            return f"second {self.executed.count('second')}"

        def other(name: str) -> str:
            self.executed.append(name)
            return name

        @workflow
        async def three(ctx: Context) -> list[str]:
            return [
                await ctx.step("first", other, "first"),
                await ctx.step("second", second),
                await ctx.step("third", other, "third"),
            ]


async def dispatch_again(towpath: Platform, run_id: str) -> None:
    """Dispatch a run once more, as if its runner was lost."""
    recover = run_dispatched(run_id, reason="recover")
    await towpath.js.publish(subjects.dispatch("resume", SERVICE), recover.to_body())


async def taken_or_held(towpath: Platform, run_id: str, said: bytes = b"") -> bool:
    """Say something to whoever holds a run; tell whether it is taken or, of a question, answered."""
    try:
        answer = await towpath.js.request(subjects.live(run_id), said, within_s=1)
    except (NoResponderError, UnconfirmedError):
        return False
    return not said or Taken.from_body(answer.data).taken


async def next_dispatch(towpath: Platform) -> Message:
    """Take the next dispatch from the broker as a runner would that is given nothing else."""
    await until(lambda: messages_in(towpath.js, RUNS), lambda count: count == 1)
    taken: asyncio.Future[Message] = asyncio.get_running_loop().create_future()

    async def take(message: Message) -> None:
        taken.set_result(message)

    await towpath.js.subscribe("dead-hand", take)
    subject = f"$JS.API.CONSUMER.MSG.NEXT.{RUNS.name}.{runner_consumer(SERVICE)}"
    await towpath.js.nats.publish(subject, b'{"batch": 1, "expires": 1000000000}', reply="dead-hand")
    return await taken
