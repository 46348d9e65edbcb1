"""The things that callers work on, each of them entities of `tests/e2e/ledgers.py`; what is asked of them, by chance."""

import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any, NamedTuple, cast
from uuid import uuid4

from towpath.client import Client
from towpath.errors import ComponentError
from towpath_testkit.linearizability.models import Bank, GrowingSet, Model, Register

ACCOUNTS = 4
EACH = 50
"""What is in each account at first."""


class Asked(NamedTuple):
    """What somebody is about to do; `once` names this one call, however often it is sent."""

    key: str
    name: str
    arguments: tuple[Any, ...]
    once: str

    @classmethod
    def of(cls, key: str, name: str, *arguments: Any) -> "Asked":
        """Name a new call."""
        return cls(key, name, arguments, uuid4().hex)

    @property
    def only_reads(self) -> bool:
        """Whether it changes nothing, so that nobody cares where it got lost."""
        return self.name in {"read", "items", "balance", "balances"}


Choose = Callable[[random.Random, str, Mapping[str, Any]], Asked]
Send = Callable[[Client, Asked, float], Awaitable[Any]]


@dataclass(frozen=True)
class Thing:
    """A kind of thing.

    Attributes:
        name: The beginning of its keys.
        model: What it does when nobody else is there.
        choose: Draws what to ask of the one at a key, given the newest output of each key.
        send: Asks the platform, within seconds, and returns the output as the model has it.
    """

    name: str
    model: Model[Any]
    choose: Choose
    send: Send


_values = count(1)


def _on_register(chance: random.Random, key: str, newest: Mapping[str, Any]) -> Asked:
    match chance.randrange(4):
        case 0 | 1:
            return Asked.of(key, "read")
        case 2:
            return Asked.of(key, "write", next(_values))
        case _:
            return Asked.of(key, "swap", newest.get(key) or 0, next(_values))


def _on_set(chance: random.Random, key: str, newest: Mapping[str, Any]) -> Asked:
    match chance.randrange(3):
        case 0:
            return Asked.of(key, "items")
        case _:
            return Asked.of(key, "add", next(_values))


def _on_bank(chance: random.Random, key: str, newest: Mapping[str, Any]) -> Asked:
    match chance.randrange(3):
        case 0:
            return Asked.of(key, "balances")
        case _:
            return _transfer(chance, key)


def _on_accounts(chance: random.Random, key: str, newest: Mapping[str, Any]) -> Asked:
    match chance.randrange(3):
        case 0:
            return _transfer(chance, key)
        case _:
            return Asked.of(key, "balance", chance.randrange(ACCOUNTS))


def _transfer(chance: random.Random, key: str) -> Asked:
    source, target = chance.sample(range(ACCOUNTS), 2)
    return Asked.of(key, "transfer", source, target, chance.randint(1, EACH))


def _calling(entity_type: str) -> Send:
    async def send(client: Client, asked: Asked, within_s: float) -> Any:
        arguments = asked.arguments if len(asked.arguments) != 1 else asked.arguments[0]
        given = {"given": arguments} if asked.arguments else None
        output: Any = await client.call_entity(
            entity_type, asked.key, asked.name, given, idempotency_key=asked.once, timeout_s=within_s
        )
        return tuple(cast("list[Any]", output)) if isinstance(output, list) else output

    return send


async def _to_accounts(client: Client, asked: Asked, within_s: float) -> Any:
    """Read one of the accounts, or start a run that moves money from one to another in a transaction."""
    if asked.name == "balance":
        return await client.call_entity(
            "Account", f"{asked.key}-{asked.arguments[0]}", "balance", timeout_s=within_s
        )
    source, target, amount = asked.arguments
    given = {"source": f"{asked.key}-{source}", "target": f"{asked.key}-{target}", "amount": amount}
    try:
        await client.run("transfer", given, idempotency_key=asked.once, timeout_s=within_s)
    except ComponentError as error:
        if "overdrawn" not in str(error):
            raise
        return False
    return True


REGISTER = Thing("register", Register(), _on_register, _calling("Register"))
GROWING_SET = Thing("set", GrowingSet(), _on_set, _calling("GrowingSet"))
BANK = Thing("bank", Bank(ACCOUNTS, each=EACH), _on_bank, _calling("Bank"))
ACCOUNTS_OF_A_BANK = Thing("accounts", Bank(ACCOUNTS, each=EACH), _on_accounts, _to_accounts)
