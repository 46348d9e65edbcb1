"""Asks for memories and erases them: each is one act, of which the answer is recorded, so replay sees what the run saw."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from towpath.engine.asked import call_asked
from towpath.engine.giving_up import giving_up
from towpath.engine.live_run import LiveRun
from towpath.errors import ComponentError
from towpath.failures import failure_for_good
from towpath.models.port import DEFAULT_MODEL_RETRY
from towpath.remembering.asking import Erasing, answers_of
from towpath.remembering.embedding import Meaning
from towpath.retry import attempted
from towpath_schemas.journal import CallSettled
from towpath_schemas.memory import ErasureAsked, ErasureDone, MemoriesFound, MemoryAsked


class MemoryActs:
    """Does what the code of one run does with memories."""

    def __init__(self, run: LiveRun) -> None:
        self._run = run

    async def ask(
        self, place: str, asked: Sequence[MemoryAsked], meaning: Meaning | None, agent: str | None
    ) -> dict[str, MemoriesFound]:
        """Ask the same of several namespaces; see `Context.ask_memory`."""
        found = await self._done(place, asked[0].question, partial(self._ask, asked, meaning), agent)
        return {namespace: MemoriesFound.model_validate(answer) for namespace, answer in found.items()}

    async def _ask(self, asked: Sequence[MemoryAsked], meaning: Meaning | None) -> dict[str, Any]:
        answers = await answers_of(self._run.outbox, asked, meaning)
        return {name: answer.model_dump(mode="json", exclude_none=True) for name, answer in answers.items()}

    async def erase(self, place: str, asked: ErasureAsked, agent: str | None) -> ErasureDone:
        """Erase memories; see `Context.erase_memory`."""
        erasing = Erasing(self._run.outbox, asked)

        async def erase() -> dict[str, Any]:
            return (await erasing.done()).model_dump(mode="json", exclude_none=True)

        return ErasureDone.model_validate(await self._done(place, "erase", erase, agent))

    async def _done(
        self, place: str, target: str, act: Callable[[], Awaitable[Any]], agent: str | None
    ) -> Any:
        """Do an act that may be repeated, unless the journal has its end.

        Raises:
            ComponentError: If it failed for good.
        """
        asked = call_asked(place, "memory", target)
        with giving_up(self._run, asked):
            settled = await self._run.ask(asked)
            if not isinstance(settled, CallSettled):
                settled = await self._attempted(place, target, act, agent)
        if settled.failure is not None:
            raise ComponentError(settled.failure)
        return settled.result

    async def _attempted(
        self, place: str, target: str, act: Callable[[], Awaitable[Any]], agent: str | None
    ) -> CallSettled:
        run = self._run
        with run.busy():
            ended = await attempted(lambda _: act(), DEFAULT_MODEL_RETRY, sleep=run.sleep)
        return await run.tell(
            CallSettled(
                at=run.clock(),
                key=place,
                act="memory",
                target=target,
                result=ended.value,
                failure=failure_for_good(ended.error),
                attempts=ended.attempts,
                agent=agent,
            )
        )
