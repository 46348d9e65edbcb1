"""A delivery is only a doorbell: it has all that waits in the mailbox handled, in order, up to itself at least."""

import random
from collections.abc import Awaitable, Callable

from pydantic import ValidationError

from towpath_chassis.delivery import GiveUp, RetryLater, backoff_s
from towpath_chassis.errors import PayloadLostError
from towpath_entity_store.entities.actors import Actors
from towpath_entity_store.entities.answers import Answers
from towpath_entity_store.entities.deliveries import Deliveries
from towpath_entity_store.entities.errors import KeyLostError, NoRunnerError
from towpath_entity_store.entities.mailbox import invocation_in
from towpath_schemas.entities import EntityName, InvocationDone, InvocationRequested
from towpath_schemas.failure import Failure
from towpath_schemas.shape import problems

_PUT_OFF_AT_MOST_S = 10.0
_CONTENDED_S = 0.1


class Doorbells:
    """Sees to it that an invocation has its outcome, and that its run has it too."""

    def __init__(self, actors: Actors, answers: Answers) -> None:
        self._actors = actors
        self._answers = answers

    async def ring(
        self,
        subject: str,
        sequence: int,
        body: Callable[[], Awaitable[bytes]],
        *,
        attempt: int,
        deliveries: Deliveries,
    ) -> None:
        """Handle the invocation at `sequence` of ENTITIES, delivered for the `attempt`th time.

        Raises:
            RetryLater: If it cannot be handled now.
            GiveUp: If it can never be.
            BrokerError: If the broker is not there, or what the invocation names is lost.
        """
        with self._actors.using(_named(subject)) as actor:
            try:
                entity = await actor.reach(sequence, deliveries)
            except KeyLostError as error:
                raise RetryLater(str(error), after_s=_CONTENDED_S * random.uniform(0.5, 1.5)) from error  # noqa: S311 - spreads load
            except NoRunnerError as error:
                after_s = min(backoff_s(attempt), _PUT_OFF_AT_MOST_S)
                raise RetryLater(str(error), after_s=after_s) from error
            except PayloadLostError as lost:
                raise GiveUp(_unreadable(_named(subject), lost)) from lost
            if not await self._answers.brought(sequence):
                invocation = _read(subject, await body())
                outcome = entity.remembered.get(invocation.invocation_id) or _forgotten(invocation)
                await self._answers.repeat(invocation, outcome)


def _named(subject: str) -> EntityName:
    try:
        return EntityName.of_mailbox(subject)
    except ValueError as error:
        raise GiveUp(f"this is no mailbox: {error}") from error


def _unreadable(name: EntityName, lost: PayloadLostError) -> Failure:
    message = f"the log of {name.entity_type}/{name.key} cannot be read: {lost}"
    return Failure(code="payload_missing", message=message)


def _read(mailbox: str, body: bytes) -> InvocationRequested:
    try:
        return invocation_in(mailbox, body)
    except ValidationError as error:
        raise GiveUp(f"this is no invocation: {problems(error)}") from error
    except ValueError as error:
        raise GiveUp(f"this invocation lies in the wrong mailbox: {error}") from error


def _forgotten(invocation: InvocationRequested) -> InvocationDone:
    # It was executed, and answered then; only if that answer was lost does this one reach its run.
    message = f"{invocation.entity_type}.{invocation.method} was called too long ago to know how it ended"
    failure = Failure(code="unknown_outcome", message=message)
    return InvocationDone(invocation_id=invocation.invocation_id, failure=failure)
