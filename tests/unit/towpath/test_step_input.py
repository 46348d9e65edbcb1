"""What a handler gets of what a flow gives its step."""

from typing import Any

import pytest

from towpath import Context, function
from towpath.errors import ComponentError, InvalidInputError
from towpath.local import run
from towpath.step_input import step_payload

GIVEN = step_payload({"size": 100}, {"day": 1}, {"extract": [1, 2]})
BARE = step_payload({}, {"day": 1}, {"extract": [1, 2]})


async def test_a_handler_takes_by_name_what_it_has_parameters_for() -> None:
    @function
    def all_of_it(size: int, input: dict[str, int], deps: dict[str, Any]) -> Any:  # noqa: A002
        return [size, input, deps]

    @function
    def what_the_step_says(size: int) -> Any:
        return size

    @function
    def the_outputs(deps: dict[str, Any]) -> Any:
        return deps

    @function
    def with_a_default(size: int, verbose: bool = False) -> Any:  # noqa: FBT001, FBT002
        return [size, verbose]

    assert await run(all_of_it, GIVEN) == [100, {"day": 1}, {"extract": [1, 2]}]
    assert await run(what_the_step_says, GIVEN) == 100
    assert await run(the_outputs, BARE) == {"extract": [1, 2]}
    assert await run(with_a_default, GIVEN) == [100, False]


async def test_a_handler_with_one_parameter_of_another_name_gets_everything() -> None:
    @function
    def handle(request: dict[str, Any]) -> Any:
        return request

    @function
    def collect(**given: Any) -> Any:
        return given

    assert await run(handle, GIVEN) == await run(collect, GIVEN) == GIVEN
    assert await run(handle, BARE) == BARE


async def test_a_handler_whose_only_parameter_has_a_default_gets_everything_only_if_that_fits() -> None:
    @function
    def greets(name: str = "you") -> str:
        return f"hello {name}"

    @function
    def counts(request: dict[str, Any] | None = None) -> Any:
        return request

    assert await run(greets, BARE) == "hello you"
    assert await run(counts, BARE) == BARE
    with pytest.raises(ComponentError, match="size"):
        await run(greets, GIVEN)


async def test_a_handler_may_take_nothing() -> None:
    @function
    def refresh() -> str:
        return "done"

    assert await run(refresh, BARE) == "done"


async def test_the_context_has_the_outputs_of_the_dependencies() -> None:
    @function
    def by_context(ctx: Any) -> Any:
        return ctx.deps["extract"]

    assert await run(by_context, BARE) == [1, 2]


async def test_what_the_step_says_must_fit_the_handler() -> None:
    @function
    def handle(size: int, colour: str) -> None: ...

    with pytest.raises(Exception, match="colour: Field required") as raised:
        await run(handle, GIVEN)
    assert isinstance(raised.value.__cause__, InvalidInputError)
    assert "deps" not in str(raised.value).partition(";")[0]


@pytest.mark.parametrize("said", [{"size": "big"}, {"width": 1}])
async def test_what_the_flow_adds_is_no_part_of_the_problem(said: dict[str, Any]) -> None:
    @function
    def handle(size: int) -> None: ...

    with pytest.raises(ComponentError, match="size: ") as raised:
        await run(handle, step_payload(said, {"day": 1}, {"extract": [1, 2]}))

    assert "input: Extra" not in str(raised.value)
    assert "deps" not in str(raised.value)


async def test_other_calls_are_as_strict_as_ever() -> None:
    @function
    def handle(ctx: Context, size: int, colour: str = "red") -> None: ...

    others: list[dict[str, Any]] = [{"input": 5}, {"deps": {}}, {"input": 5, "deps": [1]}]
    for payload in ({"size": 1, **other} for other in others):
        with pytest.raises(Exception, match="Extra inputs are not permitted"):
            await run(handle, payload)
