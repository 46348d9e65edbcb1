"""The agents that `agent_loops.py` measures on the platform."""

from towpath import Agent, script, tool, tool_call


@tool(idempotent=True)
async def add(left: int, right: int) -> int:
    """Add two numbers."""
    return left + right


for calls in (10, 100):
    script(f"adds-{calls}", [*(tool_call("add", left=1, right=2) for _ in range(calls)), "done"])
    Agent(name=f"adds-{calls}", model=f"test/adds-{calls}", tools=[add], max_iterations=calls + 1)
