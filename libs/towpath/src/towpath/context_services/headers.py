"""`ctx.headers()`: what the requester said beside the input."""

from collections.abc import Iterator, Mapping


class Headers(Mapping[str, str]):
    """The headers of the request that started the run; their names have no case, and are given in lower case.

    Args:
        headers: By name, in any case.
    """

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = {name.lower(): value for name, value in headers.items()}

    def __getitem__(self, name: str) -> str:
        return self._headers[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._headers)

    def __len__(self) -> int:
        return len(self._headers)

    def __repr__(self) -> str:
        return f"Headers({self._headers!r})"
