"""Functions, tools and methods of entities call entities: once, however often they are tried; and never in a circle."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from towpath import Agent, Context, entity, function, tool, workflow
from towpath.errors import ComponentError, ContextError, EntityReentrancyError, InvalidInputError
from towpath.local import LocalContext, run
from towpath.local.entity_store import EntityStore
from towpath.local.surroundings import Surroundings
from towpath.models.scripted import script, tool_call
from towpath.testing import VirtualPlatform, crash_everywhere


@pytest.fixture
async def platform() -> AsyncGenerator[VirtualPlatform]:
    async with VirtualPlatform() as made:
        yield made


def accounts() -> None:
    account = entity("Account")

    @account.write
    async def deposit(ctx: Context, amount: int) -> int:
        ctx.set("balance", await ctx.get("balance", 0) + amount)
        return await ctx.get("balance")

    @account.write
    async def withdraw(ctx: Context, amount: int) -> int:
        balance = await ctx.get("balance", 0)
        if balance < amount:
            raise ValueError(f"{ctx.object_id} has only {balance}")
        ctx.set("balance", balance - amount)
        return balance - amount

    @account.write
    async def give(ctx: Context, to: str, amount: int) -> int:
        await ctx.entity("Account", to).deposit(amount)
        ctx.set("balance", await ctx.get("balance", 0) - amount)
        return await ctx.get("balance")

    @account.write
    async def give_through(ctx: Context, via: str, to: str) -> int:
        return await ctx.entity("Account", via).give(to, 1)

    @account.shared
    async def balance(ctx: Context) -> int:
        return await ctx.get("balance", 0)

    @account.shared
    async def of_another(ctx: Context, key: str) -> int:
        return await ctx.entity("Account", key).balance()

    @account.shared
    async def cheat(ctx: Context) -> int:
        return await ctx.entity("Account", "other").deposit(1)


async def test_a_function_that_is_tried_again_deposits_once(platform: VirtualPlatform) -> None:
    accounts()
    tries = 0

    @function(retries=3)
    async def pay(ctx: Context) -> int:
        nonlocal tries
        balance = await ctx.entity("Account", "a").deposit(5)
        tries += 1
        if tries < 3:
            raise ValueError("the network is down")
        return balance

    @workflow
    async def payment(ctx: Context) -> int:
        return await ctx.task(pay)

    assert await platform.run(payment) == 5
    assert tries == 3
    assert platform.entity_state("Account", "a") == {"balance": 5}


async def test_what_failed_is_asked_for_again_by_the_next_attempt(platform: VirtualPlatform) -> None:
    accounts()

    @function(retries=2)
    async def pay(ctx: Context) -> list[int]:
        first = await ctx.entity("Account", "b").deposit(1)
        try:
            return [first, await ctx.entity("Account", "a").withdraw(5)]
        except ComponentError as error:
            await ctx.entity("Account", "a").deposit(5)
            raise ValueError("later") from error

    @workflow
    async def payment(ctx: Context) -> list[int]:
        return await ctx.task(pay)

    assert await platform.run(payment) == [1, 0]
    assert platform.entity_state("Account", "b") == {"balance": 1}


async def test_a_tool_calls_entities_of_the_runs_tenant(platform: VirtualPlatform) -> None:
    accounts()

    @tool
    async def save(ctx: Context, amount: int) -> int:
        """Save some money."""
        return await ctx.entity("Account", "savings").deposit(amount)

    agent = Agent(name="saver", model=script("saver", [tool_call("save", amount=7), "saved"]), tools=[save])

    @workflow
    async def saving(ctx: Context) -> str:
        return (await agent.run("save 7")).output

    assert await platform.run(saving) == "saved"
    assert platform.entity_state("Account", "savings") == {"balance": 7}


async def test_methods_call_other_entities_and_shared_ones_read_them(platform: VirtualPlatform) -> None:
    accounts()

    @workflow
    async def giving(ctx: Context) -> list[int]:
        left = await ctx.entity("Account", "a").give("b", 4)
        return [left, await ctx.entity("Account", "a").of_another("b")]

    assert await platform.run(giving) == [-4, 4]


@pytest.mark.parametrize("place", ["platform", "script"])
async def test_a_write_that_would_wait_for_itself_is_refused_and_names_the_chain(place: str) -> None:
    accounts()

    @workflow
    async def circle(ctx: Context) -> str:
        try:
            await ctx.entity("Account", "a").give_through("b", "a")
        except EntityReentrancyError as error:
            return str(error)
        return "it went well"

    if place == "platform":
        async with VirtualPlatform() as platform:
            said = await platform.run(circle)
    else:
        context = LocalContext(surroundings=Surroundings(entities=EntityStore()))
        said = await run(circle, context=context)

    assert "Account/a.deposit would wait for itself" in said
    assert "(Account/a -> Account/b -> Account/a)" in said


async def test_a_shared_method_may_not_call_what_writes(platform: VirtualPlatform) -> None:
    accounts()

    @workflow
    async def cheating(ctx: Context) -> None:
        await ctx.entity("Account", "a").cheat()

    with pytest.raises(
        ComponentError, match=r"Account/other\.deposit may write, and is called by a shared method"
    ):
        await platform.run(cheating)
    assert platform.entity_state("Account", "other") == {}


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("", "text of at least one character"),
        (7, "text of at least one character, not 7"),
        ("x" * 1_025, "at most 1,024 characters"),
        ("\N{SNOWMAN}" * 100, "counts for four; this one takes 1,200"),
        ("\ud800", "written as UTF-8"),
    ],
    ids=["empty", "number", "long", "wide", "surrogate"],
)
async def test_a_key_that_cannot_be_is_refused_with_what_can(
    platform: VirtualPlatform, key: str, says: str
) -> None:
    accounts()
    with pytest.raises(ValueError, match=says):
        LocalContext().entity("Account", key)

    @workflow
    async def calling(ctx: Context) -> None:
        ctx.entity("Account", key)

    with pytest.raises(ComponentError, match=says):
        await platform.run(calling)


@pytest.mark.parametrize("key", ["a b", "a.b.*.>", "x" * 1_024, "ü" * 80, "../..", "-x", "\n", "📦"])
async def test_any_other_key_is_a_key(platform: VirtualPlatform, key: str) -> None:
    accounts()

    @workflow
    async def calling(ctx: Context) -> int:
        return await ctx.entity("Account", key).deposit(1)

    assert await platform.run(calling) == 1
    assert platform.entity_state("Account", key) == {"balance": 1}


async def test_values_and_names_that_json_cannot_carry_are_refused_and_nothing_is_written(
    platform: VirtualPlatform,
) -> None:
    odd = entity("Odd")

    @odd.write
    async def keep(ctx: Context, what: str) -> None:
        ctx.set("fine", 1)
        if what == "value":
            ctx.set("lock", asyncio.Lock())
        else:
            ctx.set(5, "five")  # type: ignore[arg-type]

    @workflow
    async def keeping(ctx: Context, what: str) -> None:
        await ctx.entity("Odd", "a").keep(what)

    with pytest.raises(ComponentError, match="Lock"):
        await platform.run(keeping, "value")
    with pytest.raises(ComponentError, match="the name of a state value is text, not 5"):
        await platform.run(keeping, "name")
    assert platform.entity_state("Odd", "a") == {}


# --- Transactions -------------------------------------------------------------------------------------


def transfer_workflow() -> object:
    @workflow
    async def transfer(ctx: Context, source: str, target: str, amount: int) -> list[int]:
        moved = ctx.transaction()
        moved.entity("Account", source).withdraw(amount)
        moved.entity("Account", target).deposit(amount)
        moved.entity("Account", target).balance()
        return await moved.commit()

    return transfer


async def test_a_transaction_changes_all_or_nothing(platform: VirtualPlatform) -> None:
    accounts()
    transfer = transfer_workflow()

    @workflow
    async def pay_in(ctx: Context) -> None:
        await ctx.entity("Account", "a").deposit(10)

    await platform.run(pay_in)
    assert await platform.run(transfer, ["a", "b", 7]) == [3, 7, 7]
    with pytest.raises(
        ComponentError, match=r"call 1 of the transaction, Account/a\.withdraw, failed, so nothing"
    ):
        await platform.run(transfer, ["a", "b", 7])
    assert platform.entity_state("Account", "b") == {"balance": 7}


async def test_a_transaction_happens_once_wherever_its_run_is_killed() -> None:
    accounts()

    @workflow
    async def pay_and_transfer(ctx: Context) -> list[int]:
        await ctx.entity("Account", "a").deposit(10)
        moved = ctx.transaction()
        moved.entity("Account", "a").withdraw(4)
        moved.entity("Account", "b").deposit(4)
        return await moved.commit()

    survived = await crash_everywhere(pay_and_transfer)

    assert survived.finished.result == [6, 4]


async def test_a_transaction_in_a_script(platform: VirtualPlatform) -> None:
    accounts()
    context = LocalContext(surroundings=Surroundings(entities=EntityStore()))
    await context.entity("Account", "a").deposit(10)
    moved = context.transaction()
    moved.entity("Account", "a").withdraw(4)
    moved.entity("Account", "b").deposit(4)
    failing = context.transaction()
    failing.entity("Account", "b").deposit(1)
    failing.entity("Account", "a").withdraw(100)

    assert await moved.commit() == [6, 4]
    with pytest.raises(ComponentError, match="a has only 6"):
        await failing.commit()
    assert await context.entity("Account", "b").balance() == 4


async def test_what_is_no_transaction_is_told_so() -> None:
    accounts()
    context = LocalContext(surroundings=Surroundings(entities=EntityStore()))
    twice = context.transaction()
    twice.entity("Account", "a").deposit(1)
    await twice.commit()

    with pytest.raises(ContextError, match="was committed before"):
        await twice.commit()
    with pytest.raises(ContextError, match="has no calls"):
        await context.transaction().commit()
    with pytest.raises(InvalidInputError, match="at least one character"):
        context.transaction().entity("Account", "")


# --- Expiry -------------------------------------------------------------------------------------------


async def test_a_state_expires_in_time_and_another_write_does_not_change_when(
    platform: VirtualPlatform,
) -> None:
    cart = entity("Basket")

    @cart.write
    async def add(ctx: Context, what: str, kept_s: float | None = None) -> list[str]:
        ctx.set("items", [*await ctx.get("items", []), what])
        if kept_s is not None:
            ctx.expire_in(kept_s)
        return await ctx.get("items")

    @cart.write
    async def keep(ctx: Context) -> None:
        ctx.expire_in(None)

    @workflow
    async def shop(ctx: Context) -> list[list[str]]:
        basket = ctx.entity("Basket", "a")
        await basket.add("pen", 60)
        await ctx.sleep(59)
        seen = [await basket.add("ink")]
        await ctx.sleep(2)
        seen.append(await basket.add("nib", 60))
        await basket.keep()
        await ctx.sleep(100)
        return [*seen, await basket.add("pad")]

    assert await platform.run(shop) == [["pen", "ink"], ["nib"], ["nib", "pad"]]


async def test_only_states_of_entities_expire(platform: VirtualPlatform) -> None:
    odd = entity("Odd")

    @odd.write
    async def never(ctx: Context) -> None:
        ctx.expire_in(-1)

    @odd.shared
    async def look(ctx: Context) -> None:
        ctx.expire_in(1)

    @workflow
    async def expiring(ctx: Context, what: str) -> None:
        if what == "run":
            ctx.expire_in(1)
        await getattr(ctx.entity("Odd", "a"), what)()

    for what, says in (
        ("run", "for write methods"),
        ("never", "seconds is -1; give"),
        ("look", "only reads"),
    ):
        with pytest.raises(ComponentError, match=says):
            await platform.run(expiring, what)
