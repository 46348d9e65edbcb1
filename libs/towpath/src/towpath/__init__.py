"""Durable agents, workflows, entities and tools in plain Python, on NATS JetStream.

Everything public is here by name, and is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from towpath.agents.agent import Agent
    from towpath.agents.budgets import Budget
    from towpath.agents.events import Event
    from towpath.agents.exclusivity import ConcurrentInvocationMode
    from towpath.agents.executors import ConcurrentToolExecutor, SequentialToolExecutor, ToolExecutor
    from towpath.agents.guardrails import Blocked, Guardrail
    from towpath.agents.hooks import (
        AfterInvocationEvent,
        AfterModelCallEvent,
        AfterToolCallEvent,
        AgentInitializedEvent,
        BeforeInvocationEvent,
        BeforeModelCallEvent,
        BeforeToolCallEvent,
        HookEvent,
        HookProvider,
        HookRegistry,
        MessageAddedEvent,
    )
    from towpath.agents.interrupts import Interrupt
    from towpath.agents.managers.null import NullConversationManager
    from towpath.agents.managers.port import ConversationManager
    from towpath.agents.managers.sliding_window import SlidingWindowConversationManager
    from towpath.agents.managers.summarizing import SummarizingConversationManager
    from towpath.agents.meters import Meter, MeteredCall
    from towpath.agents.metrics import AgentMetrics
    from towpath.agents.planning import Plan, PlanStep
    from towpath.agents.plugins import Plugin, hook
    from towpath.agents.printing import (
        CompositeCallbackHandler,
        PrintingCallbackHandler,
        null_callback_handler,
    )
    from towpath.agents.result import AgentResult
    from towpath.agents.retrying import ModelRetryStrategy
    from towpath.agents.run import AgentRun
    from towpath.agents.session_managers.files import FileSessionManager
    from towpath.agents.session_managers.kept import RepositorySessionManager
    from towpath.agents.session_managers.port import SessionManager
    from towpath.agents.session_managers.repository import SessionRepository
    from towpath.agents.snapshots import Snapshot
    from towpath.agents.state import AgentState
    from towpath.client.client import Client
    from towpath.components import ComponentType
    from towpath.context import Context, ExecutionContext, WorkflowContext
    from towpath.current import current_context
    from towpath.entities import EntityType, entity
    from towpath.errors import (
        ApprovalRequiredError,
        BudgetExhaustedError,
        CompensationError,
        ComponentError,
        ConcurrencyError,
        ConfigurationError,
        ContentFilteredError,
        ContextError,
        ContextOverflowError,
        DuplicateStepError,
        EntityReentrancyError,
        GivenUpError,
        InvalidInputError,
        MaxTokensError,
        ModelAuthError,
        ModelError,
        ModelQuotaError,
        ModelThrottledError,
        ModelTimeoutError,
        NonDeterminismError,
        NonRetryableError,
        NotSerialisableError,
        RegistrationError,
        RequestRefusedError,
        RunStoppedError,
        SandboxUnavailableError,
        SessionError,
        SnapshotError,
        StepFailedError,
        StepTimeoutError,
        StructuredOutputError,
        TowpathError,
        UnavailableError,
        UnknownLetterError,
        UnknownMemoryError,
        UnknownOutcomeError,
        UnknownRunError,
    )
    from towpath.flows.definition import FlowDefinition, SignalConfig, StepType, TimerConfig, WorkflowStep
    from towpath.flows.steps import task_step, wait_signal_step, wait_timer_step
    from towpath.functions import function
    from towpath.language_model import LanguageModel
    from towpath.limits import Concurrency, Debounce, RateLimit, Singleton
    from towpath.local.local_context import LocalContext
    from towpath.memory.memory import Memory
    from towpath.memory.services import DatabaseMemoryService, InMemoryMemoryService, VectorMemoryService
    from towpath.models.images import Image
    from towpath.models.openai import OpenAIModel
    from towpath.models.port import Message, ModelReply, ModelRequest
    from towpath.models.scripted import script, tool_call
    from towpath.remembering.items import MemoryItem
    from towpath.retry import RetryPolicy
    from towpath.schedules import Schedule
    from towpath.sessions.about import Retention
    from towpath.sessions.events import SessionMessage
    from towpath.sessions.session import Session
    from towpath.tools.agent_tool import AgentTool
    from towpath.tools.calls import ToolCall, ToolOutcome
    from towpath.tools.confirmation import Confirmation, confirming
    from towpath.tools.function_tool import tool
    from towpath.tools.hosted import HostedTool
    from towpath.tools.mcp.mcp_tool import MCPTool
    from towpath.tools.openapi.openapi_tool import OpenAPITool
    from towpath.tools.tool import Tool
    from towpath.tools.tool_context import ToolContext
    from towpath.transactions import Transaction
    from towpath.workflows import get_registered_workflows, register_workflow, workflow

_HOMES = {
    "towpath.agents.agent": ("Agent",),
    "towpath.agents.budgets": ("Budget",),
    "towpath.agents.guardrails": ("Blocked", "Guardrail"),
    "towpath.agents.events": ("Event",),
    "towpath.agents.executors": ("ConcurrentToolExecutor", "SequentialToolExecutor", "ToolExecutor"),
    "towpath.agents.hooks": (
        "AfterInvocationEvent",
        "AfterModelCallEvent",
        "AfterToolCallEvent",
        "AgentInitializedEvent",
        "BeforeInvocationEvent",
        "BeforeModelCallEvent",
        "BeforeToolCallEvent",
        "HookEvent",
        "HookProvider",
        "HookRegistry",
        "MessageAddedEvent",
    ),
    "towpath.agents.interrupts": ("Interrupt",),
    "towpath.agents.meters": ("Meter", "MeteredCall"),
    "towpath.agents.metrics": ("AgentMetrics",),
    "towpath.agents.plugins": ("Plugin", "hook"),
    "towpath.agents.retrying": ("ModelRetryStrategy",),
    "towpath.agents.result": ("AgentResult",),
    "towpath.agents.run": ("AgentRun",),
    "towpath.agents.exclusivity": ("ConcurrentInvocationMode",),
    "towpath.agents.managers.null": ("NullConversationManager",),
    "towpath.agents.managers.port": ("ConversationManager",),
    "towpath.agents.managers.sliding_window": ("SlidingWindowConversationManager",),
    "towpath.agents.managers.summarizing": ("SummarizingConversationManager",),
    "towpath.agents.planning": ("Plan", "PlanStep"),
    "towpath.agents.printing": (
        "CompositeCallbackHandler",
        "PrintingCallbackHandler",
        "null_callback_handler",
    ),
    "towpath.agents.session_managers.files": ("FileSessionManager",),
    "towpath.agents.session_managers.kept": ("RepositorySessionManager",),
    "towpath.agents.session_managers.port": ("SessionManager",),
    "towpath.agents.session_managers.repository": ("SessionRepository",),
    "towpath.agents.snapshots": ("Snapshot",),
    "towpath.agents.state": ("AgentState",),
    "towpath.client.client": ("Client",),
    "towpath.components": ("ComponentType",),
    "towpath.context": ("Context", "ExecutionContext", "WorkflowContext"),
    "towpath.current": ("current_context",),
    "towpath.entities": ("EntityType", "entity"),
    "towpath.errors": (
        "ApprovalRequiredError",
        "CompensationError",
        "ComponentError",
        "StructuredOutputError",
        "MaxTokensError",
        "ConcurrencyError",
        "BudgetExhaustedError",
        "ConfigurationError",
        "ContentFilteredError",
        "ContextError",
        "ContextOverflowError",
        "DuplicateStepError",
        "EntityReentrancyError",
        "GivenUpError",
        "InvalidInputError",
        "ModelAuthError",
        "ModelError",
        "ModelQuotaError",
        "ModelThrottledError",
        "ModelTimeoutError",
        "NonDeterminismError",
        "NonRetryableError",
        "NotSerialisableError",
        "RegistrationError",
        "RequestRefusedError",
        "RunStoppedError",
        "SandboxUnavailableError",
        "SessionError",
        "SnapshotError",
        "StepFailedError",
        "StepTimeoutError",
        "TowpathError",
        "UnavailableError",
        "UnknownMemoryError",
        "UnknownLetterError",
        "UnknownOutcomeError",
        "UnknownRunError",
    ),
    "towpath.flows.definition": (
        "FlowDefinition",
        "SignalConfig",
        "StepType",
        "TimerConfig",
        "WorkflowStep",
    ),
    "towpath.flows.steps": ("task_step", "wait_signal_step", "wait_timer_step"),
    "towpath.functions": ("function",),
    "towpath.language_model": ("LanguageModel",),
    "towpath.limits": ("Concurrency", "Debounce", "RateLimit", "Singleton"),
    "towpath.local.local_context": ("LocalContext",),
    "towpath.memory.memory": ("Memory",),
    "towpath.memory.services": ("DatabaseMemoryService", "InMemoryMemoryService", "VectorMemoryService"),
    "towpath.remembering.items": ("MemoryItem",),
    "towpath.models.images": ("Image",),
    "towpath.models.openai": ("OpenAIModel",),
    "towpath.models.port": ("Message", "ModelReply", "ModelRequest"),
    "towpath.models.scripted": ("script", "tool_call"),
    "towpath.retry": ("RetryPolicy",),
    "towpath.schedules": ("Schedule",),
    "towpath.sessions.about": ("Retention",),
    "towpath.sessions.events": ("SessionMessage",),
    "towpath.sessions.session": ("Session",),
    "towpath.tools.agent_tool": ("AgentTool",),
    "towpath.tools.function_tool": ("tool",),
    "towpath.tools.calls": ("ToolCall", "ToolOutcome"),
    "towpath.tools.confirmation": ("Confirmation", "confirming"),
    "towpath.tools.hosted": ("HostedTool",),
    "towpath.tools.mcp.mcp_tool": ("MCPTool",),
    "towpath.tools.openapi.openapi_tool": ("OpenAPITool",),
    "towpath.tools.tool": ("Tool",),
    "towpath.tools.tool_context": ("ToolContext",),
    "towpath.transactions": ("Transaction",),
    "towpath.workflows": ("get_registered_workflows", "register_workflow", "workflow"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [  # noqa: RUF022 - by concept
    "Agent",
    "AgentResult",
    "AgentRun",
    "ConcurrentInvocationMode",
    "ModelRetryStrategy",
    "Plugin",
    "hook",
    "AgentMetrics",
    "Meter",
    "MeteredCall",
    "Budget",
    "Guardrail",
    "Blocked",
    "Interrupt",
    "AfterInvocationEvent",
    "AfterModelCallEvent",
    "AfterToolCallEvent",
    "AgentInitializedEvent",
    "BeforeInvocationEvent",
    "BeforeModelCallEvent",
    "BeforeToolCallEvent",
    "HookEvent",
    "HookProvider",
    "HookRegistry",
    "MessageAddedEvent",
    "ConcurrentToolExecutor",
    "SequentialToolExecutor",
    "ToolExecutor",
    "Event",
    "NullConversationManager",
    "ConversationManager",
    "SlidingWindowConversationManager",
    "SummarizingConversationManager",
    "Plan",
    "PlanStep",
    "CompositeCallbackHandler",
    "PrintingCallbackHandler",
    "null_callback_handler",
    "FileSessionManager",
    "RepositorySessionManager",
    "SessionManager",
    "SessionRepository",
    "Snapshot",
    "AgentState",
    "Client",
    "ComponentType",
    "Context",
    "ExecutionContext",
    "WorkflowContext",
    "current_context",
    "EntityType",
    "entity",
    "Transaction",
    "Session",
    "SessionMessage",
    "Memory",
    "MemoryItem",
    "VectorMemoryService",
    "InMemoryMemoryService",
    "DatabaseMemoryService",
    "Retention",
    "ApprovalRequiredError",
    "CompensationError",
    "ComponentError",
    "StructuredOutputError",
    "MaxTokensError",
    "ConcurrencyError",
    "BudgetExhaustedError",
    "ConfigurationError",
    "ContentFilteredError",
    "ContextError",
    "ContextOverflowError",
    "DuplicateStepError",
    "EntityReentrancyError",
    "GivenUpError",
    "InvalidInputError",
    "ModelAuthError",
    "ModelError",
    "ModelQuotaError",
    "ModelThrottledError",
    "ModelTimeoutError",
    "NonDeterminismError",
    "NonRetryableError",
    "NotSerialisableError",
    "RegistrationError",
    "RequestRefusedError",
    "RunStoppedError",
    "SandboxUnavailableError",
    "SessionError",
    "SnapshotError",
    "StepFailedError",
    "StepTimeoutError",
    "TowpathError",
    "UnavailableError",
    "UnknownMemoryError",
    "UnknownLetterError",
    "UnknownOutcomeError",
    "UnknownRunError",
    "function",
    "Concurrency",
    "RateLimit",
    "Debounce",
    "Singleton",
    "LocalContext",
    "LanguageModel",
    "OpenAIModel",
    "Image",
    "Message",
    "ModelReply",
    "ModelRequest",
    "script",
    "tool_call",
    "RetryPolicy",
    "tool",
    "Tool",
    "AgentTool",
    "HostedTool",
    "MCPTool",
    "OpenAPITool",
    "ToolContext",
    "Confirmation",
    "confirming",
    "ToolCall",
    "ToolOutcome",
    "workflow",
    "register_workflow",
    "get_registered_workflows",
    "Schedule",
    "FlowDefinition",
    "WorkflowStep",
    "StepType",
    "SignalConfig",
    "TimerConfig",
    "task_step",
    "wait_signal_step",
    "wait_timer_step",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        value = import_module("importlib.metadata").version(__name__)
    elif name in _HOME:
        value = getattr(import_module(_HOME[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
