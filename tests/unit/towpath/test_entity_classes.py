"""Entities as classes: annotated attributes are the state, marked methods its methods."""

from typing import Any, ClassVar

import pytest
from pydantic import BaseModel

from towpath import Context, entity, function
from towpath.components import REGISTRY
from towpath.errors import ComponentError, RegistrationError
from towpath.local import LocalContext
from towpath.local.entity_store import EntityStore
from towpath.local.surroundings import Surroundings


class Line(BaseModel):
    product: str
    count: int = 1


@pytest.fixture
def ctx() -> LocalContext:
    return LocalContext(surroundings=Surroundings(entities=EntityStore()))


def cart() -> type:
    @entity
    class Cart:
        lines: list[Line] = []
        note: str
        limit: ClassVar[int] = 2

        @entity.write
        async def add(self, product: str, count: int = 1) -> int:
            if len(self.lines) == self.limit:
                raise ValueError("the cart is full")
            self.lines.append(Line(product=product, count=count))
            return self.total()

        @entity.write
        async def annotate(self, ctx: Context, text: str) -> str | None:
            self.note = f"{ctx.object_id}: {text}"
            return ctx.method_name

        @entity.write
        async def forget_note(self) -> None:
            del self.note

        @entity.write
        def misspell(self) -> None:
            self.items = []

        @entity.shared
        async def count(self) -> int:
            return self.total()

        @entity.shared
        async def has_note(self) -> bool:
            return hasattr(self, "note")

        @entity.shared
        async def cheat(self) -> None:
            self.lines = []

        def total(self) -> int:
            return sum(line.count for line in self.lines)

    return Cart


async def test_attributes_are_the_state_and_types_are_revived(ctx: LocalContext) -> None:
    cart()

    assert await ctx.entity("Cart", "a").add("pen") == 1
    assert await ctx.entity("Cart", "a").add(product="ink", count=4) == 5
    assert (await ctx.entity("Cart", "a").count(), await ctx.entity("Cart", "b").count()) == (5, 0)


async def test_a_method_may_take_the_context_and_an_attribute_may_come_and_go(ctx: LocalContext) -> None:
    cart()
    mine = ctx.entity("Cart", "a")

    assert not await mine.has_note()
    assert await mine.annotate("urgent") == "annotate"
    assert await mine.has_note()
    await mine.forget_note()
    assert not await mine.has_note()


async def test_a_method_that_fails_changes_nothing(ctx: LocalContext) -> None:
    cart()
    mine = ctx.entity("Cart", "a")
    await mine.add("pen")
    await mine.add("ink")

    with pytest.raises(ComponentError, match="the cart is full"):
        await mine.add("nib")
    assert await mine.count() == 2


async def test_a_shared_method_that_sets_an_attribute_is_told_so(ctx: LocalContext) -> None:
    cart()
    await ctx.entity("Cart", "a").add("pen")

    with pytest.raises(ComponentError, match=r"Cart\.cheat is shared and only reads"):
        await ctx.entity("Cart", "a").cheat()


async def test_an_attribute_that_is_not_declared_is_refused_and_not_lost_silently(ctx: LocalContext) -> None:
    cart()

    with pytest.raises(ComponentError, match=r"Cart\.misspell set items, which is not kept"):
        await ctx.entity("Cart", "a").misspell()


async def test_a_type_may_have_another_name_than_its_class_and_inherit(ctx: LocalContext) -> None:
    class Named:
        name: str = "nobody"

        @entity.write
        async def rename(self, name: str) -> None:
            self.name = name

        @entity.shared
        async def said(self) -> str:
            return self.name

    @entity("Person", max_turn_ms=5_000)
    class _Person(Named):
        age: int = 0

    await ctx.entity("Person", "a").rename("Ada")
    assert await ctx.entity("Person", "a").said() == "Ada"


def tally(kind: Any) -> None:
    @entity("Tally")
    class _Tally:
        total: kind = 0  # pyright: ignore[reportInvalidTypeForm] - made for each test
        name: str = "nobody"

        @entity.write
        async def put(self: Any, value: Any) -> None:
            self.name = "somebody"
            self.total = value

        @entity.write
        async def reset(self: Any) -> None:
            self.total = 0

        @entity.write
        async def add(self: Any, amount: int) -> int:
            self.total += amount
            return self.total

        @entity.shared
        async def called(self) -> str:
            return self.name


async def test_a_value_that_does_not_fit_its_annotation_is_refused_and_nothing_is_written(
    ctx: LocalContext,
) -> None:
    tally(int)
    mine = ctx.entity("Tally", "a")

    with pytest.raises(
        ComponentError,
        match=r"_Tally\.total, as Tally\.put leaves it, does not fit its annotation int: .* which is 'many'",
    ):
        await mine.put("many")
    assert (await mine.called(), await mine.add(1)) == ("nobody", 1)


async def test_a_stored_value_that_fits_no_more_fails_where_it_is_read_and_may_be_replaced(
    ctx: LocalContext,
) -> None:
    tally(str)
    await ctx.entity("Tally", "a").put("many")
    REGISTRY.clear()
    tally(int)  # as by a deployment
    mine = ctx.entity("Tally", "a")

    assert await mine.called() == "somebody"
    with pytest.raises(
        ComponentError,
        match=r"_Tally\.total, as it is stored, does not fit its annotation int: .* which is 'many'; or have a write",
    ):
        await mine.add(1)
    await mine.reset()
    assert await mine.add(1) == 1


def with_init() -> type:
    @entity
    class Made:
        def __init__(self) -> None:
            self.total = 0

        @entity.write
        async def add(self) -> None: ...

    return Made


def without_methods() -> type:
    @entity
    class Empty:
        total: int = 0

    return Empty


def with_odd_state() -> type:
    @entity
    class Odd:
        lock: ClassVar[Any]
        made_of: "type[Odd] | object_that_is_not"  # type: ignore[name-defined] # noqa: F821

        @entity.write
        async def add(self) -> None: ...

    return Odd


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (with_init, "class Made has an __init__, which no entity needs"),
        (without_methods, "class Empty has no methods to call"),
        (with_odd_state, "class Odd: an annotation names 'Odd'"),
    ],
    ids=["init", "no-methods", "unknown-name"],
)
def test_a_class_that_cannot_be_kept_is_refused_with_the_remedy(make: Any, says: str) -> None:
    with pytest.raises(RegistrationError, match=says):
        make()


def test_a_method_outside_of_a_class_is_told_how_it_is_declared() -> None:
    with pytest.raises(RegistrationError, match=r'counter = entity\("Counter"\)'):

        @entity.write
        async def lonely(ctx: Context) -> None: ...


async def test_a_method_that_takes_longer_than_max_turn_ms_fails_and_changes_nothing(
    ctx: LocalContext,
) -> None:
    slow = entity("Slow", max_turn_ms=10)

    @slow.write
    async def wait(ctx: Context) -> None:
        ctx.set("begun", "yes")
        await ctx.sleep(60)

    @slow.shared
    async def begun(ctx: Context) -> bool:
        return await ctx.get("begun") == "yes"

    with pytest.raises(
        ComponentError, match=r"Slow\.wait did not end within max_turn_ms=10; it changed nothing"
    ):
        await ctx.entity("Slow", "a").wait()
    assert await ctx.entity("Slow", "a").begun() is False


@pytest.mark.parametrize("limit", [0, -1, float("nan")])
def test_a_limit_that_is_none_is_refused(limit: float) -> None:
    with pytest.raises(RegistrationError, match="max_turn_ms is more than 0"):
        entity("Slow", max_turn_ms=limit)


async def test_functions_call_entities(ctx: LocalContext) -> None:
    cart()

    @function
    async def buy(ctx: Context, who: str) -> int:
        return await ctx.entity("Cart", who).add("pen")

    assert await ctx.task(buy, input={"who": "a"}) == 1
