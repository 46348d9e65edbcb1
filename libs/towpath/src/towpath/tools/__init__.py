"""Tools: what a model may ask to be done, and how it is done.

The kinds of tool are here by name, and are imported when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from towpath.tools.agent_tool import AgentTool
    from towpath.tools.confirmation import Confirmation, ProposedCall, ask_at_terminal, confirming
    from towpath.tools.hosted import HostedTool
    from towpath.tools.mcp.mcp_tool import MCPTool
    from towpath.tools.openapi.openapi_tool import OpenAPITool
    from towpath.tools.sandbox.code_tool import code_tool
    from towpath.tools.sandbox.port import Sandbox, SandboxLimits, SandboxResult
    from towpath.tools.sandbox.subprocess_sandbox import SubprocessSandbox
    from towpath.tools.tool_context import ToolContext

_HOME = {
    "AgentTool": "towpath.tools.agent_tool",
    "Confirmation": "towpath.tools.confirmation",
    "HostedTool": "towpath.tools.hosted",
    "MCPTool": "towpath.tools.mcp.mcp_tool",
    "OpenAPITool": "towpath.tools.openapi.openapi_tool",
    "ProposedCall": "towpath.tools.confirmation",
    "Sandbox": "towpath.tools.sandbox.port",
    "SandboxLimits": "towpath.tools.sandbox.port",
    "SandboxResult": "towpath.tools.sandbox.port",
    "SubprocessSandbox": "towpath.tools.sandbox.subprocess_sandbox",
    "ToolContext": "towpath.tools.tool_context",
    "ask_at_terminal": "towpath.tools.confirmation",
    "code_tool": "towpath.tools.sandbox.code_tool",
    "confirming": "towpath.tools.confirmation",
}

__all__ = [
    "AgentTool",
    "Confirmation",
    "HostedTool",
    "MCPTool",
    "OpenAPITool",
    "ProposedCall",
    "Sandbox",
    "SandboxLimits",
    "SandboxResult",
    "SubprocessSandbox",
    "ToolContext",
    "ask_at_terminal",
    "code_tool",
    "confirming",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value
