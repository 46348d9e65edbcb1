"""What models cost: only what the user says they do, since prices change and contracts differ.

Prices are set in code, or in a JSON or TOML file that TOWPATH_MODEL_PRICES names:
`{"openai/gpt-4o-mini": {"input": 0.15, "output": 0.6, "cached": 0.075}, "ollama/*": {"input": 0, "output": 0}}`.
"""

import json
import tomllib
import warnings
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from towpath.errors import ConfigurationError
from towpath.models.port import ModelReply
from towpath.settings import MODEL_PRICES, model_prices_file
from towpath_schemas.shape import Shape, problems
from towpath_schemas.usage import Usage

_MILLION = 1_000_000
_ANY = "*"

_Cost = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Price(Shape):
    """What a million tokens cost, in whatever currency all prices are in.

    Attributes:
        input: Of what the model reads.
        output: Of what it writes.
        cached: Of what it reads from a cache; `input` if not given.
        cache_write: Of what it reads and puts into a cache; `input` if not given.
    """

    input: _Cost
    output: _Cost
    cached: _Cost | None = None
    cache_write: _Cost | None = None

    def cost(self, usage: Usage) -> float:
        """Compute what a model call costs that consumed `usage`."""
        plain = usage.input_tokens - usage.cache_read_tokens - usage.cache_write_tokens
        parts = (
            (max(0, plain), self.input),
            (usage.cache_read_tokens, self.input if self.cached is None else self.cached),
            (usage.cache_write_tokens, self.input if self.cache_write is None else self.cache_write),
            (usage.output_tokens, self.output),
        )
        return sum(tokens * price for tokens, price in parts) / _MILLION


_Prices = dict[str, Price]
_PRICES: TypeAdapter[_Prices] = TypeAdapter(_Prices)
_set: _Prices = {}


def set_prices(prices: Mapping[str, Price | Mapping[str, float]]) -> None:
    """Say what models cost, by `provider/model`, or `provider/*` for all that have no price of their own.

    What was set before for other models stays; what is set here counts more than what the file says.

    Raises:
        ConfigurationError: If a price is none; the message names it.
    """
    _set.update(_read(dict(prices), "set_prices"))


def clear_prices() -> None:
    """Forget all prices that were set."""
    _set.clear()


def price_of(model: str) -> Price | None:
    """Return what `provider/model` costs; None if nobody said.

    Raises:
        ConfigurationError: If the file of prices cannot be read.
    """
    known = {**_in_file(), **_set}
    of_all = f"{model.partition('/')[0]}/{_ANY}"
    return known.get(model) or known.get(of_all)


def priced(model: str, reply: ModelReply) -> ModelReply:
    """Write into a reply of `provider/model` what it costs, where that is known and it does not say so itself.

    A file of prices that cannot be read keeps nobody from an answer that is there: it is warned of.
    """
    if reply.usage.cost is not None:
        return reply
    try:
        price = price_of(model)
    except ConfigurationError as error:
        warnings.warn(f"what {model} costs is not known: {error}", RuntimeWarning, stacklevel=2)
        return reply
    if price is None:
        return reply
    usage = reply.usage.model_copy(update={"cost": price.cost(reply.usage)})
    return reply.model_copy(update={"usage": usage})


def cost_of(model: str, usage: Usage) -> float:
    """Compute what a call of `provider/model` costs that consumed `usage`.

    Raises:
        ConfigurationError: If nobody said what it costs.
    """
    price = price_of(model)
    if price is None:
        raise ConfigurationError(
            f"nobody said what {model} costs, so money cannot be counted; set it with set_prices(), or in the file "
            f"that {MODEL_PRICES} names"
        )
    return price.cost(usage)


def _in_file() -> _Prices:
    name = model_prices_file()
    if name is None:
        return {}
    try:
        return _file(name, Path(name).stat().st_mtime_ns)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{MODEL_PRICES}={name!r} cannot be read: {error}") from error


@lru_cache(maxsize=2)
def _file(name: str, _changed: int) -> _Prices:
    text = Path(name).read_text("utf-8")
    return _read(
        tomllib.loads(text) if name.endswith(".toml") else json.loads(text), f"{MODEL_PRICES}={name!r}"
    )


def _read(written: Any, where: str) -> _Prices:
    try:
        return _PRICES.validate_python(written)
    except ValidationError as error:
        raise ConfigurationError(f"{where}: {problems(error)}") from error
