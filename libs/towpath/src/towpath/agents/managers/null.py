"""Nothing is ever dropped: what a model cannot read is its caller's matter."""

from typing import Any

from towpath.agents.managers.port import ConversationManager, cannot_shorten


class NullConversationManager(ConversationManager):
    """Leaves the history as it is; where a model cannot read it, the call fails."""

    def __init__(self) -> None:
        super().__init__()

    def apply_management(self, agent: Any) -> None:
        """Do nothing."""

    def reduce_context(self, agent: Any, error: Exception | None = None) -> None:
        """Raise `error`, or that the history cannot be shortened.

        Raises:
            ContextOverflowError: Always; `error`, where it is given.
        """
        raise cannot_shorten(error)
