"""What an agent's calls took: records of cycles and tool calls, and the sums that are read from them.

They are of this process: a run that is replayed counts what it repeats, and a result that has crossed a process
boundary keeps only its usage.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from towpath_schemas.usage import Usage


class ToolRun(NamedTuple):
    """One tool call.

    Attributes:
        cycle: Number of the cycle whose model call asked for it; 0 where an earlier invocation's did.
        began: When, in seconds of a monotonic clock.
        ended: When it had ended.
    """

    cycle: int
    name: str
    began: float
    ended: float
    succeeded: bool


class Cycle(NamedTuple):
    """One model call.

    Attributes:
        number: Its place among the cycles of the invocation, from 1.
        began: When, in seconds of a monotonic clock.
        answered: When the model had answered.
        usage: What it consumed.
    """

    number: int
    began: float
    answered: float
    usage: Usage

    @property
    def latency_ms(self) -> float:
        """Milliseconds the model took."""
        return (self.answered - self.began) * 1_000


@dataclass(slots=True)
class AgentInvocation:
    """The cycles of one call of the agent, and the tool calls that they asked for."""

    cycles: list[Cycle] = field(default_factory=list[Cycle])
    tools: list[ToolRun] = field(default_factory=list[ToolRun])

    @property
    def usage(self) -> dict[str, int]:
        """Tokens of all its model calls."""
        return as_dict(summed(cycle.usage for cycle in self.cycles))

    @property
    def cost(self) -> float | None:
        """What all its model calls cost; see `Usage.cost`."""
        return summed(cycle.usage for cycle in self.cycles).cost

    @property
    def traces(self) -> "list[Trace]":
        """The cycles with what they were made of."""
        return [self._trace(cycle) for cycle in self.cycles]

    def _trace(self, cycle: Cycle) -> "Trace":
        runs = [run for run in self.tools if run.cycle == cycle.number]
        tools = [Trace(f"Tool: {run.name}", run.began, run.ended) for run in runs]
        ended = max([cycle.answered, *(run.ended for run in runs)])
        parts = (Trace("model_invoke", cycle.began, cycle.answered), *tools)
        return Trace(f"Cycle {cycle.number}", cycle.began, ended, parts)


class ToolMetrics(NamedTuple):
    """What became of all calls of one tool."""

    call_count: int
    success_count: int
    error_count: int
    total_time: float


class Trace(NamedTuple):
    """A piece of work, and the pieces it was made of."""

    name: str
    start_time: float
    end_time: float
    children: "Sequence[Trace]" = ()


@dataclass(slots=True)
class AgentMetrics:
    """What all invocations of an agent, or one run of it, took.

    Attributes:
        agent_invocations: The calls, in order.
    """

    agent_invocations: list[AgentInvocation] = field(default_factory=list[AgentInvocation])

    def begin(self) -> AgentInvocation:
        """Begin an invocation."""
        invocation = AgentInvocation()
        self.agent_invocations.append(invocation)
        return invocation

    @property
    def cycles(self) -> list[Cycle]:
        """The cycles of all invocations."""
        return [cycle for invocation in self.agent_invocations for cycle in invocation.cycles]

    @property
    def cycle_count(self) -> int:
        """How often a model was asked."""
        return sum(len(invocation.cycles) for invocation in self.agent_invocations)

    @property
    def cycle_durations(self) -> list[float]:
        """Seconds each cycle took."""
        return [trace.end_time - trace.start_time for trace in self.traces]

    @property
    def accumulated_usage(self) -> dict[str, int]:
        """Tokens of all model calls."""
        return as_dict(summed(cycle.usage for cycle in self.cycles))

    @property
    def accumulated_cost(self) -> float | None:
        """What all model calls cost; see `Usage.cost`."""
        return summed(cycle.usage for cycle in self.cycles).cost

    @property
    def accumulated_metrics(self) -> dict[str, float]:
        """Milliseconds all model calls took."""
        return {"latencyMs": sum(cycle.latency_ms for cycle in self.cycles)}

    @property
    def tool_metrics(self) -> dict[str, ToolMetrics]:
        """What became of the tool calls, by tool."""
        runs: dict[str, list[ToolRun]] = {}
        for run in (run for invocation in self.agent_invocations for run in invocation.tools):
            runs.setdefault(run.name, []).append(run)
        return {name: _tool_metrics(each) for name, each in runs.items()}

    @property
    def traces(self) -> list[Trace]:
        """The cycles as a tree."""
        return [trace for invocation in self.agent_invocations for trace in invocation.traces]

    @property
    def latest_usage(self) -> Usage:
        """Tokens of the last model call."""
        last = self.agent_invocations[-1].cycles if self.agent_invocations else ()
        return last[-1].usage if last else Usage()

    def get_summary(self) -> dict[str, Any]:
        """Return everything as JSON."""
        durations = self.cycle_durations
        return {
            "total_cycles": len(durations),
            "total_duration": sum(durations),
            "average_cycle_time": sum(durations) / len(durations) if durations else 0,
            "tool_usage": {name: tool._asdict() for name, tool in self.tool_metrics.items()},
            "accumulated_usage": self.accumulated_usage,
            "accumulated_cost": self.accumulated_cost,
            "accumulated_metrics": self.accumulated_metrics,
            "traces": [_written(trace) for trace in self.traces],
        }


def summed(usages: Iterable[Usage]) -> Usage:
    """Add up tokens."""
    return sum(usages, Usage())


def as_dict(usage: Usage) -> dict[str, int]:
    """Write tokens as messages and events have them."""
    read, written = usage.input_tokens, usage.output_tokens
    tokens = {"inputTokens": read, "outputTokens": written, "totalTokens": read + written}
    if usage.cache_read_tokens:
        tokens["cacheReadInputTokens"] = usage.cache_read_tokens
    if usage.cache_write_tokens:
        tokens["cacheWriteInputTokens"] = usage.cache_write_tokens
    return tokens


def _tool_metrics(runs: Sequence[ToolRun]) -> ToolMetrics:
    succeeded = sum(run.succeeded for run in runs)
    taken = sum(run.ended - run.began for run in runs)
    return ToolMetrics(len(runs), succeeded, len(runs) - succeeded, taken)


def _written(trace: Trace) -> dict[str, Any]:
    return {
        "name": trace.name,
        "start_time": trace.start_time,
        "end_time": trace.end_time,
        "duration": trace.end_time - trace.start_time,
        "children": [_written(child) for child in trace.children],
    }
