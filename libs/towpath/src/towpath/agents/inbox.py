"""What somebody says to an agent while it works: it hears it when the turn it is in has ended."""

from collections import deque
from collections.abc import Sequence

from towpath.agents.content import DictMessage
from towpath.agents.prompts import Prompt, prompt_messages
from towpath.context import Context
from towpath_schemas.speaking import MESSAGE


class Inbox:
    """The messages to one run of an agent that it has not heard yet.

    Args:
        from_outside: Whether signals to the run that it belongs to are meant for it.
    """

    def __init__(self, *, from_outside: bool = False) -> None:
        self.from_outside = from_outside
        self._said: deque[Prompt] = deque()

    def put(self, message: Prompt) -> None:
        """Say something; any thread may."""
        self._said.append(message)

    async def take(self, context: Context) -> Sequence[DictMessage]:
        """Return what was said and was not taken before, as messages of the user."""
        heard: list[DictMessage] = []
        while self._said:
            heard += prompt_messages(self._said.popleft())
        while self.from_outside and (received := await context.received_signal(MESSAGE)) is not None:
            heard += prompt_messages(received.payload)
        return heard
