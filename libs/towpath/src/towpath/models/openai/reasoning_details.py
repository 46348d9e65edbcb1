"""Details of a model's reasoning, as OpenRouter tells them and wants to see them again, just as they were.

Each is an object whose `type` says what it holds: `reasoning.text` (which a provider may have signed), `reasoning.summary`,
`reasoning.encrypted`, or what is yet to come. They are kept as JSON, in the signature of a message's reasoning.
"""

import json
from collections.abc import Iterable
from typing import Any, cast

Detail = dict[str, Any]

_NAME = "reasoning_details"
_TEXTS = {"reasoning.text": "text", "reasoning.summary": "summary"}
"""Where those that come in pieces hold their text; all others come whole."""


class ReasoningDetails:
    """Puts details together of the pieces in which they come.

    Text goes on with the newest detail of its index, if that has its type. Some models are streamed with one index for all
    their details, so a piece of another type, or with another id, begins a new one. A signature may come long after the
    text that it is of.
    """

    def __init__(self) -> None:
        self._details: list[Detail] = []
        self._newest: dict[Any, Detail] = {}
        self._newest_texts: dict[tuple[Any, str], Detail] = {}

    def add(self, pieces: Iterable[Detail]) -> None:
        """Take in pieces, in their order."""
        for piece in pieces:
            begun = self._begun_by(piece)
            if begun is None:
                self._begin(dict(piece))
            else:
                _extend(begun, piece)

    def _begun_by(self, piece: Detail) -> Detail | None:
        """Find the detail that a piece goes on with."""
        index, kind = piece.get("index"), str(piece.get("type"))
        found = self._newest_texts.get((index, kind))
        if found is None or (_text_of(piece) and found is not self._newest[index]):
            return None
        has_other_id = piece.get("id") is not None and found.get("id") not in (None, piece["id"])
        return None if has_other_id else found

    def _begin(self, detail: Detail) -> None:
        index, kind = detail.get("index"), str(detail.get("type"))
        self._details.append(detail)
        self._newest[index] = detail
        if kind in _TEXTS:
            self._newest_texts[index, kind] = detail

    @property
    def signature(self) -> str | None:
        """What is kept of the details so far."""
        return signature_of(self._details)


def told_details(said: Any) -> list[Detail]:
    """Read the details that a message tells, or the pieces of them that a delta does."""
    return _objects(getattr(said, _NAME, None))


def signature_of(details: list[Detail]) -> str | None:
    """Write what is kept of details; None where there are none."""
    return json.dumps({_NAME: details}) if details else None


def kept_details(signature: str | None) -> list[Detail]:
    """Read the details that were kept; none where the signature is of another kind."""
    try:
        kept: Any = json.loads(signature or "{}")
    except json.JSONDecodeError:
        return []
    return _objects(cast("Detail", kept).get(_NAME)) if isinstance(kept, dict) else []


def _objects(said: Any) -> list[Detail]:
    found = cast("list[Any]", said) if isinstance(said, list) else []
    return [one for one in found if isinstance(one, dict)]


def _text_of(detail: Detail) -> str | None:
    return detail.get(_TEXTS[detail["type"]])


def _extend(detail: Detail, piece: Detail) -> None:
    """Add a piece: its text comes behind what there is, and what else it says is said of the whole."""
    before, more = _text_of(detail), _text_of(piece)
    detail.update({name: value for name, value in piece.items() if value is not None})
    if before is not None and more is not None:
        detail[_TEXTS[detail["type"]]] = before + more
