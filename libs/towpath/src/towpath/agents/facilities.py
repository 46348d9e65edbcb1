"""What an agent offers beside talking: snapshots, its tools as methods, plans, itself as a tool, tidying up."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from towpath.agents.bridge import run_sync
from towpath.agents.conversation import Conversing
from towpath.agents.conversing import running_context
from towpath.agents.delegating import delegated
from towpath.agents.direct_calls import ToolCaller
from towpath.agents.exclusivity import Exclusivity
from towpath.agents.planning import Plan, Planning, planned
from towpath.agents.prompts import Prompt
from towpath.agents.snapshots import Snapshot, load_snapshot, take_snapshot
from towpath.agents.toolbox import Toolbox
from towpath.context import Context
from towpath.errors import ConfigurationError
from towpath.models.port import LanguageModel
from towpath.tools.agent_tool import AgentTool
from towpath.tools.directory import ToolDirectory
from towpath.tools.results import ToolResult
from towpath.tools.tool_context import ToolContext

TOOLS_FOLDER = "tools"
"""The folder, in that in which the program runs, whose tools `load_tools_from_directory` loads."""


class Facilities(Conversing, ABC):
    """What an agent offers beside talking."""

    toolbox: Toolbox
    session_manager: Any
    description: str
    exclusive: Exclusivity
    _directory: ToolDirectory | None = None

    @property
    @abstractmethod
    def label(self) -> str:
        """What the agent is called in the journal."""

    @property
    @abstractmethod
    def instructions(self) -> str | None:
        """The system prompt."""

    @abstractmethod
    def language_model(self) -> LanguageModel:
        """Resolve the model."""

    # --- Snapshots ----------------------------------------------------------------------------------

    def take_snapshot(
        self,
        *,
        preset: str | None = None,
        include: Iterable[str] | None = None,
        exclude: Iterable[str] | None = None,
        app_data: Mapping[str, Any] | None = None,
    ) -> Snapshot:
        """Take a snapshot of the agent's own conversation; it shares nothing with the agent that can change.

        Args:
            preset: Fields by one name: `session` is all but the system prompt.
            include: More fields: `messages`, `state`, `conversation_manager_state`, `interrupt_state`, `system_prompt`.
            exclude: Fields that are left out.
            app_data: What else is to be found in it again; JSON.

        Raises:
            SnapshotError: If a field is not known, or none is left.
            KeyError: If the preset is not known.
        """
        return take_snapshot(self, preset=preset, include=include, exclude=exclude, app_data=app_data)

    def load_snapshot(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot; what it does not hold stays as it is.

        Raises:
            SnapshotError: If it is of another kind or version, or has a field that is not known.
        """
        load_snapshot(self, snapshot)

    # --- Tools --------------------------------------------------------------------------------------

    @property
    def tool(self) -> ToolCaller:
        """The tools as methods: `agent.tool.search(query="boats")`; see `ToolCaller`."""
        return ToolCaller(self, self.exclusive)

    def tool_in_run(self, view: Any) -> ToolCaller:
        """Return the tools as methods for code around a run, which `view` is the agent's view of."""
        return ToolCaller(view, None)

    def as_tool(
        self, name: str | None = None, description: str | None = None, *, preserve_context: bool = False
    ) -> AgentTool:
        """Make a tool of this agent, for another one; see `AgentTool`.

        Raises:
            ConfigurationError: If it keeps its conversation in a session manager, and the context is not preserved.
        """
        return AgentTool(self, name=name, description=description, preserve_context=preserve_context)

    def check_delegate(self, *, preserve_context: bool) -> None:
        """Refuse to be a tool, where it could not keep what it says; see `Delegate`."""
        if self.session_manager is not None and not preserve_context:
            raise ConfigurationError(
                f"{self.label} keeps its conversation in a session manager, and as a tool it would begin a new one at "
                "each call; give preserve_context=True, or an agent without session_manager"
            )

    async def delegated(
        self, context: Context, prompt: str, tool_context: ToolContext, *, preserve_context: bool
    ) -> ToolResult:
        """Answer as a tool; see `Delegate`."""
        return await delegated(self, context, prompt, tool_context, preserve_context=preserve_context)

    # --- Plans --------------------------------------------------------------------------------------

    def plan(self, prompt: Prompt) -> Plan:
        """Say what the agent would do about a prompt, from sync code; nothing is done, and nothing remembered.

        Works inside a running loop as well, which it holds up for one model call.

        Raises:
            ContextError: In async code of a run on the platform.
            ModelError: If the provider failed, or answered with what is no plan.
        """
        return run_sync(self._planned(prompt), "agent.plan_async(...)")

    def plan_async(self, prompt: Prompt) -> Planning:
        """Return what says, when it is awaited, what the agent would do about a prompt; see `plan`.

        In a run on the platform it is a durable act, also as `await ctx.step("plan", agent.plan_async(prompt))`.
        """
        return Planning(partial(self._planned, prompt))

    async def _planned(self, prompt: Prompt) -> Plan:
        async with running_context() as context:
            return await planned(
                context,
                prompt,
                model=self.language_model(),
                instructions=self.instructions,
                tools=await self.toolbox.of_run(context),
            )

    # --- Tidying up ---------------------------------------------------------------------------------

    def load_tools_from(self, folder: Path) -> None:
        """Have the tools of a folder, and have them anew when they change; see `ToolDirectory`."""
        self._directory = ToolDirectory(folder, self.toolbox.replace)

    def cleanup(self) -> None:
        """Give up what the agent holds: it watches no folder any more, and its connections end. It works all the same.

        In async code, `async with agent:` does it at the end.
        """
        self._stop_watching()
        run_sync(self.toolbox.close(), "agent.__aexit__(...)")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop_watching()
        await self.toolbox.close()

    def _stop_watching(self) -> None:
        if self._directory is not None:
            self._directory.close()
