"""Transactions: calls of several entities, of which all change something or none does."""

from collections.abc import Callable
from typing import Any

from towpath.entity_handle import CommitCalls, EntityCall, call_payload, entity_name
from towpath.errors import ContextError
from towpath.values import to_json_value


class Transaction:
    """Calls that are gathered first, and made together; what `ctx.transaction()` returns.

        transfer = ctx.transaction()
        transfer.entity("Account", "a").withdraw(30)
        transfer.entity("Account", "b").deposit(30)
        left, there = await transfer.commit()

    The calls are made in this order, each on the states that those before it left, while nobody else writes to these
    entities. If one fails, nothing is changed, and `commit` raises its failure. Others see the states before or after.
    """

    def __init__(self, tenant: str, commit: CommitCalls) -> None:
        self._tenant = tenant
        self._commit: CommitCalls | None = commit
        self._calls: list[EntityCall] = []

    def entity(self, entity_type: str, key: str) -> "TransactionHandle":
        """Name an entity; calling the handle's methods adds calls to the transaction."""
        name = entity_name(self._tenant, entity_type, key)
        return TransactionHandle(
            lambda method, payload: self._calls.append(EntityCall(name, method, to_json_value(payload)))
        )

    async def commit(self) -> list[Any]:
        """Make the calls, all or none; return their results, in order.

        Raises:
            ComponentError: If one failed, so that nothing was changed.
            ContextError: If it was committed before, or has no calls.
        """
        if self._commit is None:
            raise ContextError("this transaction was committed before; begin another one")
        if not self._calls:
            raise ContextError("this transaction has no calls; add some by its entity(type, key).method(...)")
        commit, self._commit = self._commit, None
        return await commit(self._calls)


class TransactionHandle:
    """An entity in a transaction: calling a method of it adds the call."""

    def __init__(self, add: Callable[[str, Any], None]) -> None:
        self._add = add

    def __getattr__(self, method: str) -> Callable[..., None]:
        if method.startswith("__"):
            raise AttributeError(method)

        def call(*arguments: Any, **named: Any) -> None:
            self._add(method, call_payload(arguments, named))

        return call
