"""Callback handlers: what hears the events of a conversation as `handler(**event)`."""

import sys
from collections.abc import Callable
from typing import Any

CallbackHandler = Callable[..., Any]


class PrintingCallbackHandler:
    """Prints what the model says and which tools it calls, as it happens.

    Args:
        verbose_tool_use: Whether calls of tools are printed.
    """

    def __init__(self, verbose_tool_use: bool = True) -> None:  # noqa: FBT001, FBT002 - as it is known
        self.verbose_tool_use = verbose_tool_use
        self.tool_count = 0

    def __call__(self, **event: Any) -> None:
        """Print what is new in an event."""
        _write(event.get("reasoningText") or "")
        _write(event.get("data") or "")
        if event.get("complete"):
            _write("\n")
        begun = event.get("event", {}).get("contentBlockStart", {}).get("start", {}).get("toolUse")
        if begun:
            self._count(begun["name"])

    def _count(self, name: str) -> None:
        self.tool_count += 1
        if self.verbose_tool_use:
            _write(f"\nTool #{self.tool_count}: {name}\n")


class CompositeCallbackHandler:
    """Tells several handlers, one after the other.

    Args:
        *handlers: Whom.
    """

    def __init__(self, *handlers: CallbackHandler) -> None:
        self.handlers = handlers

    def __call__(self, **event: Any) -> None:
        """Tell them."""
        for handler in self.handlers:
            handler(**event)


def null_callback_handler(**_event: Any) -> None:
    """Hear everything and do nothing."""


def _write(text: str) -> None:
    if text:
        sys.stdout.write(text)
        sys.stdout.flush()
