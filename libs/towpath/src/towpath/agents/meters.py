"""Meters: what watches over an invocation, call by call, and ends it when what it may spend is spent."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from towpath.context import Context
from towpath.models.port import LanguageModel, ModelReply, ModelRequest
from towpath.tools.calls import ToolCall


@dataclass(slots=True)
class MeteredCall:
    """A model call as a meter lets it happen.

    Attributes:
        request: What the model is asked: what it was to be asked, or less.
        reply: What it answered; None as long as it has not, and where it failed.
    """

    request: ModelRequest
    reply: ModelReply | None = None


class Meter:
    """Watches; its acts go through the context, so that a replay repeats them."""

    inherited: bool = False
    """Whether it watches over agents that are asked as tools, too."""

    @asynccontextmanager
    async def model_call(
        self, context: Context, model: LanguageModel, request: ModelRequest
    ) -> AsyncGenerator[MeteredCall]:
        """Let a model be asked inside the block, and take note of what that took.

        Raises:
            BudgetExhaustedError: If it must not be asked any more.
        """
        yield MeteredCall(request)

    async def before_tool(self, context: Context, call: ToolCall) -> None:
        """Let a tool be called.

        Raises:
            BudgetExhaustedError: If it must not be called any more.
        """
