"""The seal of a copy: from the copy alone it can be told that nobody has changed it.

The mark of a state is made of marks of its values, so that an owner keeps it up with what a commit changes, and pays
nothing for all that stays. Whoever reads a copy has all of it in hand, and makes the mark anew. This finds what got
damaged, lost or written by hand; it is no signature, since Redis belongs to the entity store.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from towpath_entity_store.entities.values import to_json

_BYTES = 8


def mark_of(values: Mapping[str, Any]) -> int:
    """Tell the mark of some values; those of two halves make that of the whole by `^`."""
    return mark_of_written((name.encode(), to_json(value)) for name, value in values.items())


def mark_of_written(values: Iterable[tuple[bytes, bytes]]) -> int:
    """Tell the mark of values, each with its name, as they are written."""
    mark = 0
    for name, value in values:
        digest = blake2b(value, digest_size=_BYTES, key=_key_of(name))
        mark ^= int.from_bytes(digest.digest())
    return mark


@lru_cache(maxsize=1_024)
def _key_of(name: bytes) -> bytes:
    return blake2b(name, digest_size=_BYTES).digest()


def seal_of(mark: int, *, number: int, sequence: int, expires: str) -> bytes:
    """Seal a state with this mark, as it is after a record, until it expires ("" for never)."""
    return blake2b(f"{number} {sequence} {expires} {mark}".encode(), digest_size=_BYTES).hexdigest().encode()
