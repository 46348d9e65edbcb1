"""User code of the linearizability test: the things of `towpath_testkit.linearizability`, as entities."""

from towpath import Context, WorkflowContext, entity, workflow

ACCOUNTS = 4
EACH = 50

register = entity("Register")
growing_set = entity("GrowingSet")
bank = entity("Bank")
account = entity("Account")


@register.write
async def write(ctx: Context, given: int) -> None:
    ctx.set("value", given)


@register.write
async def swap(ctx: Context, given: list[int]) -> bool:
    expected, value = given
    if await ctx.get("value", 0) != expected:
        return False
    ctx.set("value", value)
    return True


@register.shared
async def read(ctx: Context) -> int:
    return await ctx.get("value", 0)


@growing_set.write
async def add(ctx: Context, given: int) -> int:
    items = [*await ctx.get("items", []), given]
    ctx.set("items", items)
    ctx.set("count", len(items))
    return len(items)


@growing_set.shared
async def items(ctx: Context) -> list[int]:
    """Tell the items; one that is in only one of the two places was seen half-written."""
    found = await ctx.get("items", [])
    if len(found) != await ctx.get("count", 0):
        raise AssertionError("half of a write was seen")
    return found


@bank.write
async def transfer(ctx: Context, given: list[int]) -> bool:
    source, target, amount = given
    left = await ctx.get(f"account-{source}", EACH) - amount
    if left < 0:
        return False
    ctx.set(f"account-{source}", left)
    ctx.set(f"account-{target}", await ctx.get(f"account-{target}", EACH) + amount)
    return True


@bank.shared
async def balances(ctx: Context) -> list[int]:
    return [await ctx.get(f"account-{number}", EACH) for number in range(ACCOUNTS)]


@account.write
async def move(ctx: Context, amount: int) -> None:
    balance = await ctx.get("balance", EACH) + amount
    if balance < 0:
        raise ValueError("overdrawn")
    ctx.set("balance", balance)


@account.shared
async def balance(ctx: Context) -> int:
    return await ctx.get("balance", EACH)


@workflow(name="transfer")
async def transfer_in_a_transaction(ctx: WorkflowContext, source: str, target: str, amount: int) -> None:
    both = ctx.transaction()
    both.entity("Account", source).move(-amount)
    both.entity("Account", target).move(amount)
    await both.commit()
