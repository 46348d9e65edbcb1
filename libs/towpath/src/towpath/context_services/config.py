"""`ctx.config()`: settings, feature flags and variants; what a run has read once, it reads again on replay."""

import copy
import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any, Protocol, cast

from pydantic import TypeAdapter, ValidationError

from towpath import settings
from towpath.errors import ConfigurationError
from towpath_schemas.attribution import Attribution


class Configured(Protocol):
    """What the configuration needs of a context."""

    run_id: str
    attribution: Attribution

    def remember(self, name: str, read: Callable[[], Any]) -> Any:
        """Read a setting, once."""
        ...


class Config:
    """The configuration that a run sees: `TOWPATH_CONFIG_<KEY>`, or `TOWPATH_CONFIGURATION_FILE` (JSON or TOML)."""

    def __init__(self, context: Configured) -> None:
        self._context = context

    def get(self, key: str, default: Any = None) -> Any:
        """Return a value; what the run has seen of it first is journaled, and holds until its end.

        Args:
            key: Its name; `a.b` is `b` in the table `a` of the file.
            default: Returned where it is not set; where it is, the value has the default's type.

        Raises:
            ConfigurationError: If the value does not fit the type of the default.
        """
        value = self._context.remember(key, lambda: _read(key, default))
        return default if value is None else _fitting(key, copy.deepcopy(value), default)

    def variant(self, key: str, default: Any = None) -> Any:
        """Return the variant of an experiment that whoever is behind the run takes part in.

        The configuration names it (`treatment`), or weighs several (`{"control": 9, "treatment": 1}`): then the same
        user always has the same one, and a run of nobody's has one of its own.

        Raises:
            ConfigurationError: If the configuration is neither.
        """
        chosen = self._context.remember(f"variant:{key}", lambda: self._chosen(key))
        return default if chosen is None else chosen

    def _chosen(self, key: str) -> str | None:
        said = _read(key, None)
        match said:
            case None:
                return None
            case str():
                return said
            case dict():
                return _drawn(key, cast("dict[str, Any]", said), self._subject)
            case _:
                raise _no_split(key, said)

    @property
    def _subject(self) -> str:
        attribution = self._context.attribution
        user = attribution.user_id
        return self._context.run_id if user is None else f"{attribution.tenant}:{user}"


def _read(key: str, default: Any) -> Any:
    text = settings.config_text(key)
    if text is None:
        return settings.config_in_file(key)
    return text if isinstance(default, str) else _json_or_text(text)


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _fitting(key: str, value: Any, default: Any) -> Any:
    """Return the value with the type of the default: `"yes"` for a bool is True."""
    kind = cast("type[Any]", type(default))
    numbers = kind in (int, float) and type(value) in (int, float)
    if default is None or numbers or type(value) is kind:
        return value
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        raise ConfigurationError(
            f"the configuration {key!r} is {value!r}, which is no {kind.__name__}, as its default {default!r} is; "
            f"correct {settings.config_variable(key)} or the file"
        ) from error


def _drawn(key: str, split: Mapping[str, Any], subject: str) -> str:
    """Choose by weight; the choice follows from the key and the subject alone."""
    weights = [weight for weight in split.values() if type(weight) in (int, float) and weight >= 0]
    if len(weights) < len(split) or not sum(weights) > 0:
        raise _no_split(key, split)
    drawn = int.from_bytes(hashlib.sha256(f"{key}:{subject}".encode()).digest()[:8]) / 2**64 * sum(weights)
    for name, weight in split.items():
        drawn -= weight
        if drawn < 0:
            return name
    return max(split, key=lambda name: split[name])  # the weights' sum was not exact


def _no_split(key: str, found: Any) -> ConfigurationError:
    return ConfigurationError(
        f"the variants {key!r} are {found!r}; give the name of one, or their weights: "
        '{"control": 9, "treatment": 1}'
    )
