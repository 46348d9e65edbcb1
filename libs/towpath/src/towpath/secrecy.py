"""Keeps secrets out of what is written down: whoever was given a secret may use it, and may not journal or log it.

Each secret that this process reads is remembered here, so that its text is known wherever it turns up.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Self, cast

MIN_CHARS = 6
"""A secret shorter than this is kept back only where it is handed on as it is, not where it is part of other text:
too much text holds it by chance."""


class SecretValue(str):
    """A secret: text like any other, but its `repr` does not show it.

    Attributes:
        name: What it is called.
    """

    __slots__ = ("name",)
    name: str

    def __new__(cls, name: str, value: str) -> Self:
        """Make the secret `name`."""
        made = super().__new__(cls, value)
        made.name = name
        return made

    def __repr__(self) -> str:
        return f"SecretValue({self.name!r})"

    def __getnewargs__(self) -> tuple[str, str]:  # type: ignore[override] # what a copy is made of: as in `__new__`
        return self.name, str(self)


class _Revealed:
    """The secrets that this process knows, by each text in which they may appear.

    Attributes:
        pattern: Finds any of them; None while there is none.
    """

    __slots__ = ("_names", "pattern")

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self.pattern: re.Pattern[str] | None = None

    def add(self, secret: SecretValue) -> None:
        known = len(self._names)
        for written in (str(secret), json.dumps(secret)[1:-1], repr(str(secret))[1:-1]):
            self._names.setdefault(written, secret.name)
        if len(self._names) > known:
            longest_first = sorted(self._names, key=len, reverse=True)
            self.pattern = re.compile("|".join(map(re.escape, longest_first)))

    def name_in(self, text: str) -> str | None:
        if self.pattern is None or (found := self.pattern.search(text)) is None:
            return None
        return self._names[found[0]]

    def hidden_in(self, text: str) -> str:
        return text if self.pattern is None else self.pattern.sub(self._mask, text)

    def _mask(self, found: re.Match[str]) -> str:
        return f"[secret {self._names[found[0]]}]"


_revealed = _Revealed()


def reveal(name: str, value: str) -> SecretValue:
    """Give a secret to whoever asked for it, and remember it."""
    secret = SecretValue(name, value)
    if len(value) >= MIN_CHARS:
        _revealed.add(secret)
    return secret


def secret_in(text: str) -> str | None:
    """Return the name of a secret that `text` is or holds, if there is one."""
    if _revealed.pattern is None and type(text) is str:
        return None  # every text of every journal comes by here, in processes that mostly know no secret
    return text.name if isinstance(text, SecretValue) else _revealed.name_in(text)


def redacted(text: str) -> str:
    """Return `text` with the name of each secret in its place."""
    return f"[secret {text.name}]" if isinstance(text, SecretValue) else _revealed.hidden_in(text)


def redacted_json(value: Any) -> Any:
    """Return a JSON value with the name of each secret in its place."""
    match value:
        case str():
            return redacted(value)
        case Mapping():
            said = cast("Mapping[str, Any]", value)
            return {redacted(name): redacted_json(item) for name, item in said.items()}
        case list() | tuple():
            return [redacted_json(item) for item in cast("Sequence[Any]", value)]
        case _:
            return value
