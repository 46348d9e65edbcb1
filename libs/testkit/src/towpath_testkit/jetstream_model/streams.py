"""All streams of a server, and which of them keeps a message."""

from towpath_testkit.jetstream_model.patterns import tokens
from towpath_testkit.jetstream_model.stream import Stream


class Streams(dict[str, Stream]):
    """Streams by name; whoever changes one, or which there are, says so by `changed`."""

    def __init__(self) -> None:
        super().__init__()
        self._by_first: dict[str, list[Stream]] = {}

    def changed(self) -> None:
        """Find out anew which stream keeps what."""
        self._by_first.clear()

    def keeper(self, subject: str) -> Stream | None:
        """Find the stream that a subject belongs to; there are never two."""
        first = tokens(subject)[0]
        if first not in self._by_first:
            self._by_first[first] = [one for one in self.values() if one.config.may_keep(first)]
        return next((one for one in self._by_first[first] if one.config.keeps(subject)), None)
