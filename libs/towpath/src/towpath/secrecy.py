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

    __slots__ = ("_first_chars", "_names", "_texts", "pattern")

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._texts: tuple[str, ...] = ()
        self._first_chars = re.compile("(?!)")
        self.pattern: re.Pattern[str] | None = None

    def add(self, secret: SecretValue) -> None:
        known = len(self._names)
        for written in (str(secret), json.dumps(secret)[1:-1], repr(str(secret))[1:-1]):
            self._names.setdefault(written, secret.name)
        if len(self._names) > known:
            self._texts = tuple(sorted(self._names, key=len, reverse=True))  # read while other threads add
            self.pattern = re.compile("|".join(map(re.escape, self._texts)))
            self._first_chars = re.compile("|".join({re.escape(one[0]) for one in self._texts}))

    def name_in(self, text: str) -> str | None:
        if self.pattern is None or (found := self.pattern.search(text)) is None:
            return None
        return self._names[found[0]]

    def hidden_in(self, text: str) -> str:
        return text if self.pattern is None else self.pattern.sub(self._mask, text)

    def begins_at(self, text: str, start: int = 0) -> int:
        """Tell where a secret may begin in `text`, from `start` on, that ends behind it; its length where none may."""
        longest = len(self._texts[0]) if self._texts else 0
        earliest = max(start, len(text) - longest + 1)
        beginnings = (found.start() for found in self._first_chars.finditer(text, earliest))
        return next((at for at in beginnings if self._begins_with(text[at:])), len(text))

    def _begins_with(self, beginning: str) -> bool:
        return any(len(one) > len(beginning) and one.startswith(beginning) for one in self._texts)

    def hidden_so_far(self, text: str) -> tuple[str, str]:
        """Hide what is known to be a secret whatever comes behind `text`; return that, and what is not decided yet."""
        hidden: list[str] = []
        start = 0
        while True:
            undecided = self.begins_at(text, start)
            found = self.pattern.search(text, start) if self.pattern else None
            if found is None or found.start() >= undecided:
                return "".join((*hidden, text[start:undecided])), text[undecided:]
            hidden += text[start : found.start()], self._mask(found)
            start = found.end()

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
    """Return a JSON value with the name of each secret in its place; what JSON does not have stays as it is."""
    match value:
        case str():
            return redacted(value)
        case Mapping():
            said = cast("Mapping[Any, Any]", value)
            return {redacted_json(name): redacted_json(item) for name, item in said.items()}
        case list() | tuple():
            return [redacted_json(item) for item in cast("Sequence[Any]", value)]
        case _:
            return value


# --- Texts that come in pieces ----------------------------------------------------------------------


class PiecewiseRedaction:
    """Redacts a text that comes in pieces: the end of one that a secret may begin with waits for the next."""

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept = ""

    def next(self, piece: str) -> str:
        """Take in a piece, and return what may be said now."""
        said, self._kept = _revealed.hidden_so_far(self._kept + piece)
        return said

    def rest(self) -> str:
        """Return what has waited: nothing comes behind it."""
        kept, self._kept = self._kept, ""
        return redacted(kept)


def secret_may_begin_at(text: str) -> int:
    """Tell where a secret may begin in `text` that ends behind it; its length where none may."""
    return _revealed.begins_at(text)
