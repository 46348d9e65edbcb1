"""WordPiece as uncased BERT models split text: what a token table and a transformer are asked about.

It differs from the reference in one thing: `[CLS]` or `[MASK]` in a text are text, not the model's own tokens.
"""

import string
import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache

MAX_TEXT_CHARS = 8_192
"""What is behind this many characters of a text is not read."""

UNKNOWN = "[UNK]"
CONTINUED = "##"
"""Begins a token that goes on with a word."""

_MAX_WORD_CHARS = 100
_MAX_FORMS = 65_536
_IDEOGRAPHS = (
    range(0x4E00, 0xA000),
    range(0x3400, 0x4DC0),
    range(0x20000, 0x2A6E0),
    range(0x2A700, 0x2B740),
    range(0x2B740, 0x2B820),
    range(0x2B920, 0x2CEB0),
    range(0xF900, 0xFB00),
    range(0x2F800, 0x2FA20),
)
_ASCII_PUNCTUATION = frozenset(string.punctuation)
_CONTROLS = frozenset({"Cc", "Cf", "Co"})
_KEPT_CONTROLS = frozenset("\t\n\r")


class WordPiece:
    """Splits texts into the tokens of a vocabulary.

    Args:
        vocabulary: The tokens; the number of each is its place. One of them is `[UNK]`.
    """

    def __init__(self, vocabulary: Iterable[str]) -> None:
        self._numbers = {token: number for number, token in enumerate(vocabulary)}
        self._unknown = (self._numbers[UNKNOWN],)
        self._longest = max(map(len, self._numbers))
        self._word = lru_cache(maxsize=16_384)(self._of_word)

    def number(self, token: str) -> int:
        """Return the number of a token that the vocabulary has."""
        return self._numbers[token]

    def numbers(self, text: str) -> list[int]:
        """Split `text`, and return the numbers of its tokens."""
        return [number for word in words(text) for number in self._word(word)]

    def _of_word(self, word: str) -> tuple[int, ...]:
        if len(word) > _MAX_WORD_CHARS:
            return self._unknown
        pieces: list[int] = []
        start, prefix = 0, ""
        while start < len(word):
            end = self._longest_end(word, start, prefix)
            if end is None:
                return self._unknown
            pieces.append(self._numbers[prefix + word[start:end]])
            start, prefix = end, CONTINUED
        return tuple(pieces)

    def _longest_end(self, word: str, start: int, prefix: str) -> int | None:
        """Find where the longest token ends that the word has at `start`."""
        ends = range(min(len(word), start + self._longest), start, -1)
        return next((end for end in ends if prefix + word[start:end] in self._numbers), None)


def words(text: str) -> list[str]:
    """Split a text into plain words, punctuation marks and ideographs, in lower case and without accents."""
    return text[:MAX_TEXT_CHARS].translate(_NORMAL).split()


class _NormalForms(dict[int, str]):
    """What becomes of each character, for `str.translate`; kept for as many as all living languages have."""

    def __missing__(self, code: int) -> str:
        form = _normal_form(chr(code))
        if len(self) < _MAX_FORMS:
            self[code] = form
        return form


_NORMAL: Mapping[int, str] = _NormalForms()


def _normal_form(character: str) -> str:
    """Drop controls; set punctuation and ideographs apart; take accents and capitals away."""
    if character.isspace() and not _is_control(character):
        return " "
    if _is_control(character) or character == "\ufffd":
        return ""
    parts = unicodedata.normalize("NFD", character)
    plain = "".join(part.lower() for part in parts if unicodedata.category(part) != "Mn")
    apart = "".join(f" {one} " if _is_punctuation(one) else one for one in plain)
    return f" {apart} " if any(ord(character) in block for block in _IDEOGRAPHS) else apart


def _is_control(character: str) -> bool:
    return character not in _KEPT_CONTROLS and unicodedata.category(character) in _CONTROLS


def _is_punctuation(character: str) -> bool:
    return character in _ASCII_PUNCTUATION or unicodedata.category(character).startswith("P")
