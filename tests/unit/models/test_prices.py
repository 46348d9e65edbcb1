"""What models cost is what the user says; what nobody said is an error, not a guess."""

from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from towpath.errors import ConfigurationError
from towpath.models.port import ModelReply
from towpath.models.prices import Price, cost_of, price_of, priced, set_prices
from towpath_schemas.usage import Usage

TOKENS = st.integers(0, 10**6)
COSTS = st.floats(0, 1_000)
USAGES = st.builds(
    Usage,
    input_tokens=st.integers(0, 5),
    output_tokens=st.integers(0, 5),
    cost=st.none() | st.integers(0, 8).map(lambda eighths: eighths / 8),
)

pytestmark = pytest.mark.usefixtures("no_prices")


def test_tokens_from_the_cache_have_their_own_price() -> None:
    price = Price(input=2, output=8, cached=0.5, cache_write=2.5)
    usage = Usage(input_tokens=1_000, output_tokens=100, cache_read_tokens=600, cache_write_tokens=200)

    assert price.cost(usage) * 1_000_000 == pytest.approx(200 * 2 + 600 * 0.5 + 200 * 2.5 + 100 * 8)


@given(st.builds(Price, input=COSTS, output=COSTS), TOKENS, TOKENS, TOKENS)
def test_without_a_price_for_the_cache_it_does_not_matter(
    price: Price, read: int, cached: int, written: int
) -> None:
    plain = Usage(input_tokens=read + cached, output_tokens=written)

    assert price.cost(plain) == pytest.approx(
        price.cost(plain.model_copy(update={"cache_read_tokens": cached}))
    )


@given(st.builds(Price, input=COSTS, output=COSTS), st.lists(st.builds(Usage, input_tokens=TOKENS)))
def test_calls_cost_together_what_they_cost_one_by_one(price: Price, calls: list[Usage]) -> None:
    assert price.cost(sum(calls, Usage())) == pytest.approx(sum(map(price.cost, calls)))


def test_a_model_without_a_price_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(
        ConfigurationError, match=r"openai/gpt-4o costs.*set_prices\(\).*TOWPATH_MODEL_PRICES"
    ):
        cost_of("openai/gpt-4o", Usage(input_tokens=1))


def test_a_price_of_its_own_counts_more_than_the_providers() -> None:
    set_prices({"ollama/*": Price(input=0, output=0), "ollama/big": {"input": 1, "output": 1}})

    assert cost_of("ollama/small", Usage(input_tokens=10**6)) == 0
    assert cost_of("ollama/big", Usage(input_tokens=10**6)) == 1
    assert price_of("openai/gpt-4o") is None


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("prices.json", '{"openai/gpt-4o": {"input": 2.5, "output": 10}}'),
        ("prices.toml", '["openai/gpt-4o"]\ninput = 2.5\noutput = 10\n'),
    ],
)
def test_prices_are_in_a_file_and_code_counts_more(
    name: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / name
    file.write_text(text)
    monkeypatch.setenv("TOWPATH_MODEL_PRICES", str(file))

    assert price_of("openai/gpt-4o") == Price(input=2.5, output=10)
    set_prices({"openai/gpt-4o": Price(input=1, output=1)})
    assert price_of("openai/gpt-4o") == Price(input=1, output=1)


@pytest.mark.parametrize("text", ["{", '{"openai/gpt-4o": {"input": -1, "output": 1}}', "[]"])
def test_a_file_that_says_no_prices_is_named(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "prices.json"
    file.write_text(text)
    monkeypatch.setenv("TOWPATH_MODEL_PRICES", str(file))

    with pytest.raises(ConfigurationError, match="TOWPATH_MODEL_PRICES"):
        price_of("openai/gpt-4o")


def test_a_price_that_is_none_names_the_model() -> None:
    with pytest.raises(ConfigurationError, match=r"set_prices: openai/gpt-4o\.output: Field required"):
        set_prices({"openai/gpt-4o": {"input": 1}})


def test_prices_that_cannot_be_read_are_warned_of_and_cost_nobody_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "prices.json"
    file.write_text("{")
    monkeypatch.setenv("TOWPATH_MODEL_PRICES", str(file))

    with pytest.warns(RuntimeWarning, match="what test/a costs is not known: TOWPATH_MODEL_PRICES="):
        answered = priced("test/a", ModelReply(text="hello"))

    assert answered == ModelReply(text="hello")


def test_a_reply_that_says_what_it_cost_is_believed() -> None:
    set_prices({"test/*": {"input": 1, "output": 1}})
    said = ModelReply(text="hello", usage=Usage(input_tokens=3, cost=0.5))

    assert priced("test/a", said) is said


@given(USAGES, USAGES, USAGES)
def test_usages_add_up_in_any_order(one: Usage, two: Usage, three: Usage) -> None:
    assert one + (two + three) == (one + two) + three
    assert one + two == two + one
    assert one + Usage() == one
