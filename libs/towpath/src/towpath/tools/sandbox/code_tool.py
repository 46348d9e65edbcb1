"""`code_tool`: lets a model run code, in a sandbox."""

from typing import Any

from towpath.tools.confirmation import Confirmation
from towpath.tools.sandbox.port import Sandbox, SandboxLimits, SandboxResult
from towpath.tools.sandbox.subprocess_sandbox import SubprocessSandbox
from towpath.tools.tool import Tool

_ENDED = {
    "done": "It ended well.",
    "failed": "It ended with an error.",
    "time": "It was stopped: it took too long.",
    "memory": "It was stopped: it took too much memory.",
    "output": "It was stopped: it printed too much.",
}


def code_tool(
    sandbox: Sandbox | None = None,
    *,
    name: str = "run_python",
    limits: SandboxLimits | None = None,
    confirmation: bool | Confirmation = False,
) -> Tool:
    """Make a tool that runs Python code.

    Args:
        sandbox: Where it runs; a `SubprocessSandbox` if not given.
        name: What the model calls it by.
        limits: How much the code may use.
        confirmation: Whether a person must say yes to each call, and how.
    """
    where, within = sandbox or SubprocessSandbox(), limits or SandboxLimits()

    async def run(code: str, files: dict[str, str] | None = None) -> dict[str, Any]:
        """Run the code, and tell what became of it."""
        given = {path: text.encode() for path, text in (files or {}).items()}
        return _told(await where.run(code, given, within))

    network = "with" if within.network else "without"
    return Tool(
        name,
        f"Run Python code in a fresh folder, {network} network, for {within.wall_s:g} s at the most. Print what you want "
        "to know: nothing is kept for the next call.",
        None,
        run,
        confirmation=confirmation,
        idempotent=not within.network,
        timeout_s=within.wall_s + 30.0,
        parameter_descriptions={
            "code": "A whole Python program.",
            "files": "Text files that it finds in its folder, by name.",
        },
    )


def _told(result: SandboxResult) -> dict[str, Any]:
    files = {name: _text(content) for name, content in result.files.items()}
    said = {"output": result.output, "errors": result.errors, "files": files}
    return {"ended": _ENDED[result.ended], **{name: value for name, value in said.items() if value}}


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return f"[{len(content)} bytes that are no text]"
