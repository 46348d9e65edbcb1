"""Budgets: what agents may spend at most, in tokens, money, calls and time, however many share them."""

import asyncio
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from pydantic import ValidationError

from towpath.agents.budget_entity import BUDGET_TYPE
from towpath.agents.ledger import Amounts, Ledger, Limits, Reserved
from towpath.agents.meters import Meter, MeteredCall
from towpath.agents.request_size import most_tokens
from towpath.argument_types import check_arguments
from towpath.context import Context
from towpath.errors import BudgetExhaustedError, ConfigurationError
from towpath.local.running import here
from towpath.models.port import LanguageModel, ModelReply, ModelRequest
from towpath.models.prices import Price, price_of
from towpath.tools.calls import ToolCall
from towpath_schemas.shape import problems
from towpath_schemas.usage import Usage

ANSWER_TOKENS = 4_096
"""How long an answer may be where neither the request nor the budget says it."""


class Budget(Meter):
    """What may be spent at most; given to agents, or to single runs, in their `limits`.

    It is a hard limit: before each model call, what the call may take at most is reserved (its input, as its size says,
    and its answer, which is made no longer than what is left allows), and afterwards what it did not take is given back.
    Who finds nothing left ends with the status `budget`. Agents that are asked as tools spend the budgets of whoever
    asks, too.

    A budget without a name is shared by all that are given the object: in this process for as long as it lives, in a
    run on the platform for that run. One with a name is an entity: all runs of the tenant that name it share it, on
    whatever machine, until it is `reset`. What a run has reserved stays so while the run is away; of one that was
    terminated in the middle of a call, for good.

    Args:
        tokens: Tokens that models read and write.
        cost: Money, in the currency of the prices (see `towpath.models.prices`).
        model_calls: How often models are asked.
        tool_calls: How many tools are called.
        seconds: Seconds after its first call in which a further one may begin.
        name: Under which it is shared.
        answer_tokens: How long an answer may be, where the request does not say; a longer one is cut off.

    Raises:
        ConfigurationError: If a limit is below 0, or there is none at all.
    """

    inherited = True

    @check_arguments
    def __init__(
        self,
        *,
        tokens: int | None = None,
        cost: float | None = None,
        model_calls: int | None = None,
        tool_calls: int | None = None,
        seconds: float | None = None,
        name: str | None = None,
        answer_tokens: int = ANSWER_TOKENS,
    ) -> None:
        said = {
            "tokens": tokens,
            "cost": cost,
            "model_calls": model_calls,
            "tool_calls": tool_calls,
            "seconds": seconds,
        }
        self.limits = _limits(said)
        self.name = name
        self._answer_tokens = answer_tokens
        self._of_process = _InMemory()
        self._of_runs: WeakKeyDictionary[Context, _InMemory] = WeakKeyDictionary()

    def __repr__(self) -> str:
        said = {"name": self.name, **self.limits.model_dump()}
        return f"Budget({', '.join(f'{key}={value!r}' for key, value in said.items() if value is not None)})"

    async def ledger(self) -> Ledger:
        """Tell what is spent, and what is reserved for calls under way."""
        return await self._book(here()).ledger()

    async def reset(self) -> None:
        """Begin anew with nothing spent."""
        await self._book(here()).reset()

    # --- Metering -----------------------------------------------------------------------------------

    @asynccontextmanager
    async def model_call(
        self, context: Context, model: LanguageModel, request: ModelRequest
    ) -> AsyncGenerator[MeteredCall]:
        """Let a model be asked inside the block, for what is left; see `Meter`."""
        book, call = self._book(context), self._call(context)
        weighed = _Weighed(request, self._price(context, model), self._answer_tokens)
        reserved = await book.reserve(self.limits, call, weighed.least, weighed.most)
        self._check(reserved)
        metered = MeteredCall(weighed.within(reserved.granted, self.limits))
        took = Amounts()
        try:
            yield metered
            took = weighed.taken(metered.reply)
        except asyncio.CancelledError:
            took = weighed.least  # it was read, for all we know
            raise
        finally:
            await book.settle(call, took)

    async def before_tool(self, context: Context, call: ToolCall) -> None:
        """Let a tool be called; see `Meter`."""
        if self.limits.tool_calls is None and self.limits.seconds is None:
            return
        book = self._book(context)
        self._check(await book.spend(self.limits, self._call(context), Amounts(tool_calls=1)))

    def _check(self, reserved: Reserved) -> None:
        if reserved.lacking is not None:
            limit = getattr(self.limits, reserved.lacking)
            raise BudgetExhaustedError(f"{self!r}: not enough is left of {limit:g} {reserved.lacking}")

    def _call(self, context: Context) -> str:
        """Name a call: the same in every replay of its run, and no other run's; an entity knows which run asks."""
        place = context.place("budget")
        return place if self.name is not None else f"{context.run_id}/{place}"

    def _price(self, context: Context, model: LanguageModel) -> Price | None:
        """Tell what the model costs, where money is limited; a run counts with one price from its begin to its end."""
        if self.limits.cost is None:
            return None
        name = model.name
        known = context.remember(f"price:{name}", lambda: _written(price_of(name)))
        if known is None:
            raise ConfigurationError(f"{self!r}: nobody said what {name} costs; set it with set_prices()")
        return Price.model_validate(known)

    def _book(self, context: Context) -> "_Book":
        if self.name is not None:
            return _Shared(context, self.name)
        if context.home_loop is None:
            return self._of_process
        return self._of_runs.setdefault(context, _InMemory(context))


class _Book(Protocol):
    """Where a ledger is kept."""

    async def reserve(self, limits: Limits, call: str, least: Amounts, most: Amounts) -> Reserved: ...

    async def settle(self, call: str, took: Amounts) -> None: ...

    async def spend(self, limits: Limits, call: str, amounts: Amounts) -> Reserved: ...

    async def ledger(self) -> Ledger: ...

    async def reset(self) -> None: ...


class _InMemory:
    """Of this process, or of one run: then its code rebuilds it when it is replayed.

    Args:
        context: The run's, whose clock counts.
    """

    def __init__(self, context: Context | None = None) -> None:
        self._clock = None if context is None else context.now
        self._ledger = Ledger()
        self._lock = threading.Lock()

    async def reserve(self, limits: Limits, call: str, least: Amounts, most: Amounts) -> Reserved:
        now = self._now(limits)
        with self._lock:
            self._ledger, reserved = self._ledger.reserve(limits, call, least, most, now)
        return reserved

    async def settle(self, call: str, took: Amounts) -> None:
        with self._lock:
            self._ledger = self._ledger.settle(call, took)

    async def spend(self, limits: Limits, call: str, amounts: Amounts) -> Reserved:
        reserved = await self.reserve(limits, call, amounts, amounts)
        await self.settle(call, amounts)
        return reserved

    async def ledger(self) -> Ledger:
        return self._ledger

    async def reset(self) -> None:
        self._ledger = Ledger()

    def _now(self, limits: Limits) -> float:
        """Tell the time, where it counts: in a run each reading is journaled."""
        if limits.seconds is None:
            return 0.0
        return (self._clock or here().now)().timestamp()


class _Shared:
    """Of all who name it: an entity."""

    def __init__(self, context: Context, name: str) -> None:
        self._entity: Any = context.entity(BUDGET_TYPE, name)

    async def reserve(self, limits: Limits, call: str, least: Amounts, most: Amounts) -> Reserved:
        return Reserved.model_validate(
            await self._entity.reserve(limits=limits, call=call, least=least, most=most)
        )

    async def settle(self, call: str, took: Amounts) -> None:
        await self._entity.settle(call=call, took=took)

    async def spend(self, limits: Limits, call: str, amounts: Amounts) -> Reserved:
        return Reserved.model_validate(await self._entity.spend(limits=limits, call=call, amounts=amounts))

    async def ledger(self) -> Ledger:
        return Ledger.model_validate(await self._entity.ledger())

    async def reset(self) -> None:
        await self._entity.reset()


class _Weighed:
    """A request, and what it may take."""

    def __init__(self, request: ModelRequest, price: Price | None, answer_tokens: int) -> None:
        self._request = request
        self._price = price
        self._reads = most_tokens(request)
        self._answer = answer_tokens if request.max_tokens is None else request.max_tokens

    @property
    def least(self) -> Amounts:
        """With an answer of one token."""
        return self._amounts(1)

    @property
    def most(self) -> Amounts:
        """With the longest answer."""
        return self._amounts(self._answer)

    def within(self, granted: Amounts, limits: Limits) -> ModelRequest:
        """Return the request, with an answer that is no longer than what was granted allows."""
        longest = self._answer
        if limits.tokens is not None:
            longest = min(longest, granted.tokens - self._reads)
        if self._price is not None and self._price.output:
            left = granted.cost - self._cost(0)
            longest = min(longest, int(left * 1_000_000 / self._price.output + 1e-6))
        if limits.tokens is None and self._price is None:
            return self._request
        return self._request.model_copy(update={"max_tokens": max(1, longest)})

    def taken(self, reply: ModelReply | None) -> Amounts:
        """Tell what the call took; of one that was cut short, what it may have."""
        if reply is None:
            return Amounts()
        if reply.stop_reason == "cancelled":
            return self._amounts(min(self._answer, len(reply.text.encode())))
        usage = reply.usage
        cost = 0.0 if self._price is None else self._price.cost(usage)
        return Amounts(tokens=usage.input_tokens + usage.output_tokens, cost=cost, model_calls=1)

    def _amounts(self, writes: int) -> Amounts:
        return Amounts(tokens=self._reads + writes, cost=self._cost(writes), model_calls=1)

    def _cost(self, writes: int) -> float:
        """Tell what it costs at the most: as if all that is read were read for the highest price."""
        if self._price is None:
            return 0.0
        dearest = max(self._price.input, self._price.cached or 0.0, self._price.cache_write or 0.0)
        plain = Price(input=dearest, output=self._price.output)
        return plain.cost(Usage(input_tokens=self._reads, output_tokens=writes))


def _limits(said: dict[str, Any]) -> Limits:
    try:
        limits = Limits(**said)
    except ValidationError as error:
        raise ConfigurationError(f"Budget: {problems(error)}") from error
    if limits == Limits():
        raise ConfigurationError(f"Budget() limits nothing; give one of {', '.join(said)}")
    return limits


def _written(price: Price | None) -> dict[str, Any] | None:
    return None if price is None else price.model_dump(mode="json")
