"""Durable agents, workflows, entities and tools in plain Python, on NATS JetStream.

Everything public is here by name, and is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from towpath.agents.agent import Agent
    from towpath.agents.result import AgentResult
    from towpath.agents.run import AgentRun
    from towpath.agents.slots import ConcurrentInvocationMode
    from towpath.client.client import Client
    from towpath.components import ComponentType
    from towpath.context import Context, ExecutionContext, WorkflowContext, current_context
    from towpath.entities import EntityType, entity
    from towpath.errors import (
        ComponentError,
        ConfigurationError,
        ContextError,
        DuplicateStepError,
        EntityReentrancyError,
        InvalidInputError,
        ModelError,
        NonDeterminismError,
        NonRetryableError,
        NotSerialisableError,
        RegistrationError,
        RequestRefusedError,
        RunStoppedError,
        SessionError,
        StepFailedError,
        StepTimeoutError,
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
    from towpath.models.port import Message, ModelReply, ModelRequest
    from towpath.models.scripted import script, tool_call
    from towpath.remembering.items import MemoryItem
    from towpath.retry import RetryPolicy
    from towpath.schedules import Schedule
    from towpath.sessions.about import Retention
    from towpath.sessions.events import SessionMessage
    from towpath.sessions.session import Session
    from towpath.tools.function_tool import tool
    from towpath.tools.tool import Tool, ToolCall, ToolOutcome
    from towpath.transactions import Transaction
    from towpath.workflows import get_registered_workflows, register_workflow, workflow

_HOMES = {
    "towpath.agents.agent": ("Agent",),
    "towpath.agents.result": ("AgentResult",),
    "towpath.agents.run": ("AgentRun",),
    "towpath.agents.slots": ("ConcurrentInvocationMode",),
    "towpath.client.client": ("Client",),
    "towpath.components": ("ComponentType",),
    "towpath.context": ("Context", "ExecutionContext", "WorkflowContext", "current_context"),
    "towpath.entities": ("EntityType", "entity"),
    "towpath.errors": (
        "ComponentError",
        "ConfigurationError",
        "ContextError",
        "DuplicateStepError",
        "EntityReentrancyError",
        "InvalidInputError",
        "ModelError",
        "NonDeterminismError",
        "NonRetryableError",
        "NotSerialisableError",
        "RegistrationError",
        "RequestRefusedError",
        "RunStoppedError",
        "SessionError",
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
    "towpath.models.port": ("Message", "ModelReply", "ModelRequest"),
    "towpath.models.scripted": ("script", "tool_call"),
    "towpath.retry": ("RetryPolicy",),
    "towpath.schedules": ("Schedule",),
    "towpath.sessions.about": ("Retention",),
    "towpath.sessions.events": ("SessionMessage",),
    "towpath.sessions.session": ("Session",),
    "towpath.tools.function_tool": ("tool",),
    "towpath.tools.tool": ("Tool", "ToolCall", "ToolOutcome"),
    "towpath.transactions": ("Transaction",),
    "towpath.workflows": ("get_registered_workflows", "register_workflow", "workflow"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [  # noqa: RUF022 - by concept
    "Agent",
    "AgentResult",
    "AgentRun",
    "ConcurrentInvocationMode",
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
    "ComponentError",
    "ConfigurationError",
    "ContextError",
    "DuplicateStepError",
    "EntityReentrancyError",
    "InvalidInputError",
    "ModelError",
    "NonDeterminismError",
    "NonRetryableError",
    "NotSerialisableError",
    "RegistrationError",
    "RequestRefusedError",
    "RunStoppedError",
    "SessionError",
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
    "Message",
    "ModelReply",
    "ModelRequest",
    "script",
    "tool_call",
    "RetryPolicy",
    "tool",
    "Tool",
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
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
