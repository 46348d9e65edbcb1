"""What every context has by being one: the services, each made of the context when it is asked for."""
# ruff: noqa: PLC0415 - what needs telemetry or a model's library is imported by those who use it

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, cast

from towpath.context_services.config import Config, Configured
from towpath.context_services.headers import Headers
from towpath.context_services.llm import LLM, Asking
from towpath.context_services.logs import RunLog
from towpath.context_services.secrets import Secrets
from towpath.context_services.tool_registry import ToolRegistry

if TYPE_CHECKING:
    from towpath.context_services.metrics import Measured, Metrics
    from towpath.context_services.spans import Spans, Traced
    from towpath.remembering.run_memory import RunMemory
    from towpath.remembering.shelf import Remembering
    from towpath.tools.confirmation import Deciding


class _Logging(Protocol):
    @property
    def logger(self) -> RunLog: ...


class _Requested(Protocol):
    request_headers: Mapping[str, str]


class ContextServices:
    """The services of a context."""

    _tools: ToolRegistry | None = None

    @property
    def llm(self: Asking) -> LLM:
        """Ask a language model: `await ctx.llm.generate(...)`, `async for chunk in ctx.llm.stream(...)`."""
        return LLM(self)

    @property
    def tools(self) -> ToolRegistry:
        """The tools of this invocation: `ctx.tools.register(...)`, `ctx.tools.handler(name)`."""
        if self._tools is None:
            self._tools = ToolRegistry(cast("Deciding", self))
        return self._tools

    @property
    def memory(self: "Remembering") -> "RunMemory":
        """What the user behind the run is remembered by: `await ctx.memory.set("diet", "vegan")`."""
        from towpath.remembering.run_memory import RunMemory

        return RunMemory(self)

    def log(self: _Logging, event: str | None = None, /, *values: Any, **fields: Any) -> RunLog:
        """Return the run's logger; with an `event`, log it first."""
        if event is not None:
            self.logger.info(event, *values, **fields)
        return self.logger

    def metrics(self: "Measured") -> "Metrics":
        """Measure: `ctx.metrics().increment("orders")`."""
        from towpath.context_services.metrics import Metrics

        return Metrics(self)

    def trace_span(self: "Traced") -> "Spans":
        """Trace: `with ctx.trace_span().start("charge", service="payments"): ...`."""
        from towpath.context_services.spans import Spans

        return Spans(self)

    def secrets(self) -> Secrets:
        """Read secrets: `ctx.secrets().get("api_key")`."""
        return Secrets()

    def config(self: Configured) -> Config:
        """Read settings and flags: `ctx.config().get("limit", default=10)`."""
        return Config(self)

    def headers(self: _Requested) -> Headers:
        """Return the headers of the request that started the run."""
        return Headers(self.request_headers)
