"""User code with entities."""

import asyncio

from towpath import Context, entity, function, workflow


@entity
class Account:
    balance: int = 0

    @entity.write
    async def deposit(self, amount: int) -> int:
        self.balance += amount
        return self.balance

    @entity.write
    async def withdraw(self, amount: int) -> int:
        if amount > self.balance:
            raise ValueError(f"the balance is only {self.balance}")
        self.balance -= amount
        return self.balance

    @entity.write
    async def give(self, ctx: Context, to: str, amount: int) -> int:
        self.balance -= amount
        await ctx.entity("Account", to).deposit(amount)
        return self.balance

    @entity.write
    async def circle(self, ctx: Context) -> int:
        return await ctx.entity("Account", f"{ctx.object_id}-via").give(ctx.object_id, 1)

    @entity.write
    async def lend(self, seconds: float) -> None:
        self.balance -= 1
        await asyncio.sleep(seconds)

    @entity.write
    async def deposit_for(self, ctx: Context, seconds: float, amount: int = 1) -> int:
        self.balance += amount
        ctx.expire_in(seconds)
        return self.balance

    @entity.shared
    async def total(self) -> int:
        return self.balance

    @entity.shared
    async def total_of(self, ctx: Context, other: str) -> int:
        return await ctx.entity("Account", other).total()


@entity("Impatient", max_turn_ms=50)
class _Impatient:
    begun: bool = False

    @entity.write
    async def wait(self, ctx: Context, seconds: float) -> None:
        self.begun = True
        await ctx.sleep(seconds)


@function
async def pay(ctx: Context, who: str, amount: int) -> int:
    return await ctx.entity("Account", who).deposit(amount)


@workflow
async def payday(ctx: Context, who: str, amount: int) -> int:
    return await ctx.task(pay, input={"who": who, "amount": amount})


@workflow
async def transfer(ctx: Context, source: str, target: str, amount: int) -> list[int]:
    moved = ctx.transaction()
    moved.entity("Account", source).withdraw(amount)
    moved.entity("Account", target).deposit(amount)
    return await moved.commit()
