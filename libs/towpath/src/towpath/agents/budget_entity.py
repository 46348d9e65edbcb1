"""The built-in entity that keeps the ledger of a named budget: all runs that name it share it."""

from typing import Any

from towpath.agents.ledger import Amounts, Ledger, Limits, Reserved
from towpath.context import Context
from towpath.entities import builtin_entity

BUDGET_TYPE = "towpath.Budget"
_LEDGER = "ledger"

budget = builtin_entity(BUDGET_TYPE)


@budget.write
async def reserve(ctx: Context, limits: Limits, call: str, least: Amounts, most: Amounts) -> Reserved:
    """Reserve what a call may take."""
    before, now = await _ledger(ctx), ctx.now().timestamp()
    after, reserved = before.reserve(limits, _of_run(ctx, call), least, most, now)
    _keep(ctx, after)
    return reserved


@budget.write
async def settle(ctx: Context, call: str, took: Amounts) -> None:
    """Take note of what a call took, and give back the rest of its reservation."""
    _keep(ctx, (await _ledger(ctx)).settle(_of_run(ctx, call), took))


@budget.write
async def spend(ctx: Context, limits: Limits, call: str, amounts: Amounts) -> Reserved:
    """Spend something at once, where there is so much."""
    reserved = await reserve(ctx, limits, call, amounts, amounts)
    await settle(ctx, call, amounts)
    return reserved


@budget.write
async def reset(ctx: Context) -> None:
    """Begin anew with nothing spent."""
    ctx.delete(_LEDGER)


@budget.shared
async def ledger(ctx: Context) -> Ledger:
    """Tell what is spent and reserved."""
    return await _ledger(ctx)


def _of_run(ctx: Context, call: str) -> str:
    """Name a call among those of all runs."""
    return f"{ctx.run_id}/{call}"


async def _ledger(ctx: Context) -> Ledger:
    return Ledger.model_validate(await ctx.get(_LEDGER, {}))


def _keep(ctx: Context, kept: Ledger) -> None:
    written: dict[str, Any] = kept.model_dump(mode="json", exclude_defaults=True)
    ctx.set(_LEDGER, written)
