"""Begins acts that others do, and waits for how they end: one intent before, one outcome after."""

from typing import Any, NamedTuple

from towpath.engine.alarms import alarm
from towpath.engine.asked import Asked, call_asked
from towpath.engine.giving_up import giving_up
from towpath.engine.live_run import LiveRun
from towpath.errors import ComponentError
from towpath.retry import RetryPolicy
from towpath_schemas.journal import Act, CallIntended, CallSettled

_SOON_S = 1.0
"""A timer this near is waited for in memory, without an alarm at the broker."""


class Call(NamedTuple):
    """An act that somebody else does.

    Attributes:
        place: Its key.
        within_s: Seconds after which it counts as failed; None for never.
    """

    place: str
    act: Act
    target: str
    service: str | None = None
    arguments: Any = None
    within_s: float | None = None
    agent: str | None = None

    @property
    def asked(self) -> Asked:
        """The act as it is compared with the journal."""
        return call_asked(self.place, self.act, self.target, self.arguments)


class Actor:
    """Does the acts of one run's code through its outbox."""

    def __init__(self, run: LiveRun) -> None:
        self._run = run

    async def call(self, call: Call) -> CallSettled:
        """Have a call made, once, and return how it ended.

        Raises:
            NonDeterminismError: If the journal has the call with other arguments: branches that run at the same
                time and call one name need `key=`, or their answers would change places.
        """
        with giving_up(self._run, call.asked):
            settled = await self._run.ask(call.asked)
            if isinstance(settled, CallSettled):
                return settled
            intent = self._run.history.intended(call.place)
            return await self.sent_and_answered(intent or await self.intend(call))

    async def call_repeatedly(self, call: Call, policy: RetryPolicy) -> CallSettled:
        """Have a call made until it succeeds; each further attempt, and the wait before it, is an act of its own.

        An attempt that the journal has is repeated, whatever the policy says by now.
        """
        attempt, settled = 1, await self.call(call)
        while settled.failure is not None:
            again = call._replace(place=f"{call.place}@{attempt + 1}")
            wait = Call(f"{again.place}/wait", "timer", "retry", agent=call.agent)
            begun = self._run.history.intended(wait.place) is not None
            if not begun and not policy.allows_again(settled.failure, attempt):
                break
            wait_s = policy.wait_s(attempt, ComponentError(settled.failure))
            await self.call(wait._replace(within_s=wait_s))
            attempt, settled = attempt + 1, await self.call(again)
        return settled

    async def intend(self, call: Call) -> CallIntended:
        """Journal that a call is about to be made."""
        return await self._run.append(self.intent(call))

    def intent(self, call: Call) -> CallIntended:
        """Write the intent of a call."""
        now = self._run.clock()
        return CallIntended(
            at=now,
            key=call.place,
            act=call.act,
            target=call.target,
            service=call.service,
            input=call.arguments,
            until=None if call.within_s is None else now + call.within_s,
            agent=call.agent,
        )

    async def read(self, call: Call) -> CallSettled:
        """Ask a shared method of an entity: nothing changes, so one record of the answer is enough."""
        asked = call_asked(call.place, call.act, call.target)
        with giving_up(self._run, asked):
            settled = await self._run.ask(asked)
            return settled if isinstance(settled, CallSettled) else await self._read(call)

    async def _read(self, call: Call) -> CallSettled:
        with self._run.busy():
            answer = await self._run.outbox.read(self.intent(call))
        return await self._run.tell(
            CallSettled(
                at=self._run.clock(),
                key=call.place,
                act=call.act,
                target=call.target,
                result=answer.result,
                failure=answer.failure,
                agent=call.agent,
            )
        )

    async def sent_and_answered(self, intent: CallIntended) -> CallSettled:
        """Send what a journaled intent commands, and wait for the answer."""
        answer = self._run.expect(intent.key)
        try:
            await self._send(intent)
            settled = await answer
        finally:
            answer.close()
        if intent.until is not None and intent.act != "timer":
            await self._run.outbox.disarm(intent)
        return settled

    async def _send(self, intent: CallIntended) -> None:
        run = self._run
        if intent.act == "timer" and intent.until is not None:
            remaining = intent.until - run.clock()
            if remaining <= _SOON_S:
                with run.busy():
                    await run.sleep(max(0.0, remaining))
                await run.take(alarm(run.run_id, intent))
                return
        await send(run, intent)


async def send(run: LiveRun, intent: CallIntended) -> None:
    """Send what a journaled intent commands; until that is done the run does not merely wait: nobody else would."""
    with run.busy():
        refused = await run.outbox.send(intent)
    if refused is not None:
        await run.take(refused)
