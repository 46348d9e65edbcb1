"""Transactions: calls of methods of several entities, of which all change something or none does.

Why it is all or none, whoever is killed when: the records of all its entities go to the broker as one batch, and it
stores all of a batch or nothing, also if it is killed in the middle. Each record says which record of its entity it
follows; if anybody has written to one of them meanwhile, nothing is stored, and the transaction is executed again on
what is there then. The record of the first entity, in whose mailbox the transaction waits, remembers its outcome: who
comes after a crash finds it there, or finds that nothing has happened. There is nothing to undo, and no lock that could
outlive its holder. Where this process writes to the other entities, too, it lets the transaction go before its own
turns, in one order of names; that is for progress only, and given up after a while.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from towpath_entity_store.entities.commitment import Commitment, commitment
from towpath_entity_store.entities.entity import Entity
from towpath_entity_store.entities.errors import RefusedTurnError
from towpath_entity_store.entities.limits import Limits
from towpath_entity_store.entities.mailbox import Letter, Mail
from towpath_entity_store.entities.turns import Turns
from towpath_schemas.entities import EntityName, InvocationDone, InvocationRequested, TurnRequested
from towpath_schemas.failure import Failure
from towpath_schemas.transactions import failure_of_call, invocations_in


class _Made(NamedTuple):
    """A call of a transaction, and how it ended."""

    invocation: InvocationRequested
    outcome: InvocationDone


def calls_in(letter: Letter) -> tuple[InvocationRequested, ...]:
    """List the calls that a transaction makes.

    Raises:
        RefusedTurnError: If it is no transaction, or not one for this mailbox.
    """
    try:
        return invocations_in(letter.invocation)
    except ValueError as error:
        raise RefusedTurnError(Failure(code="invalid_input", message=str(error))) from error


async def transacted(
    turns: Turns, letter: Letter, entities: Mapping[EntityName, Entity], *, owner: str, limits: Limits
) -> dict[EntityName, Commitment]:
    """Execute a transaction on `entities`, and write its record for each of them.

    Raises:
        UnsettledError: If a call failed, or a record is too large.
        NoRunnerError: If nobody executes the methods now.
    """
    made = await _made(turns, letter, entities)
    results = [call.outcome.result for call in made]
    done = InvocationDone(invocation_id=letter.invocation.invocation_id, result=results)
    settled: dict[EntityName, Commitment] = {}
    for name, entity in entities.items():
        calls = [call for call in made if call.invocation.entity == name]
        mail = Mail(tuple(Letter(0, call.invocation) for call in calls), entity.through)
        outcomes = tuple(call.outcome for call in calls)
        if name == letter.invocation.entity:
            mail = Mail((*mail.letters, letter), letter.sequence)
            outcomes = (*outcomes, done)
        settled[name] = commitment(entity, mail, outcomes, owner=owner, limits=limits)
    return settled


async def _made(turns: Turns, letter: Letter, entities: Mapping[EntityName, Entity]) -> list[_Made]:
    """Make the calls one after the other, each on the states that those before it left."""
    states: dict[EntityName, dict[str, Any]] = {name: entity.state for name, entity in entities.items()}
    made: list[_Made] = []
    for number, invocation in enumerate(calls_in(letter)):
        name = invocation.entity
        turn = TurnRequested(
            entity_type=name.entity_type, entity_key=name.key, state=states[name], invocations=(invocation,)
        )
        (outcome,) = await turns.take(invocation.service, turn)
        if outcome.failure is not None:
            raise RefusedTurnError(failure_of_call(invocation, number, outcome.failure))
        states[name] = outcome.changes.applied_to(states[name])
        made.append(_Made(invocation, outcome))
    return made
