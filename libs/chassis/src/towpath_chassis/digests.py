"""Digests of values, which are the same whoever computes them."""

import hashlib
import json
from typing import Any

import orjson


def digest(value: Any) -> str | None:
    """Compute SHA-256 over the value as JSON with sorted keys and no spaces; None for None."""
    return None if value is None else hashlib.sha256(canonical(value)).hexdigest()


def canonical(value: Any) -> bytes:
    """Write a value as JSON with sorted keys and no spaces."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # an integer of more than 64 bits
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode(
            errors="surrogatepass"
        )
