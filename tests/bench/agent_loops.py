"""`just bench`, its agents: P8, what a turn of an agent costs, and of P12 what an import costs, beside other SDKs.

A stub model asks for ten tool calls, or a hundred, one after the other, and then answers. In process: CPU
milliseconds of a turn, beside the peers where `just peers` has installed them; rounds interleaved, medians. Through a
provider on this machine, over HTTP. Durable: the same agent on the platform of `just bench`, wall milliseconds of a
turn.
"""

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from towpath import Agent, Client, Tool
from towpath.models.openai import OpenAIModel
from towpath_testkit.openai_server import Says, openai_server
from towpath_testkit.stage import Stage

ROUNDS = 5
TURNS_OF_A_ROUND = 300
CALLS = (10, 100)
HERE = Path(__file__).parent
PEERS = HERE.parents[1] / ".peers" / "bin" / "python"
NAMES = ("strands", "openai-agents", "pydantic-ai", "langgraph")


def loops() -> dict[str, dict[str, float]]:
    """Measure the loop in process, of Towpath and of each peer that is installed."""
    names = ["towpath", *(NAMES if PEERS.exists() else ())]
    seen: dict[str, dict[str, list[float]]] = {name: {} for name in names}
    for _ in range(ROUNDS):
        for name in names:
            for calls in CALLS:
                told = looped(name, calls)
                seen[name].setdefault(f"{calls}_calls_cpu_ms", []).append(told["cpu_ms_per_turn"])
                seen[name].setdefault("import_cpu_ms", []).append(told["import_cpu_ms"])
    return {
        name: {what: statistics.median(figures) for what, figures in of.items()} for name, of in seen.items()
    }


def looped(name: str, calls: int) -> dict[str, float]:
    """Run one SDK's loop in a process of its own."""
    python = sys.executable if name == "towpath" else str(PEERS)
    command = [python, str(HERE / "peers.py"), name, str(calls), str(TURNS_OF_A_ROUND // calls)]
    told = subprocess.check_output(command, text=True, stderr=subprocess.DEVNULL)  # noqa: S603
    return json.loads(told.splitlines()[-1])


def importing() -> dict[str, float]:
    """Measure what `from towpath import Agent, tool` costs, in CPU milliseconds."""
    code = "import time; began = time.process_time(); from towpath import Agent, tool; print(time.process_time() - began)"
    took = [float(subprocess.check_output([sys.executable, "-c", code])) for _ in range(2 * ROUNDS)]  # noqa: S603
    return {"cpu_ms": round(statistics.median(took) * 1_000)}


async def over_http() -> dict[str, float]:
    """Measure a turn whose model is asked over HTTP, of a provider in a process of its own, which is not counted."""
    provider = await asyncio.create_subprocess_exec(
        sys.executable, __file__, "provide", stdout=subprocess.PIPE
    )
    assert provider.stdout is not None
    base_url = (await provider.stdout.readline()).decode().strip()
    model = OpenAIModel("stub", base_url=base_url, api_key="key")
    agent = Agent(model=model, tools=[Tool("add", "Add two numbers.", None, add)], max_iterations=11)
    took = [await _turn_ms(agent) for _ in range(4 * ROUNDS)]
    provider.terminate()
    await provider.wait()
    return {"cpu_ms": round(statistics.median(took[1:]), 2)}


async def _turn_ms(agent: Agent) -> float:
    began = time.process_time()
    await agent.run("go")
    return (time.process_time() - began) / 11 * 1_000


async def provide() -> None:
    """Be a provider that asks for ten tool calls and then answers, again and again."""
    asks = [Says(tool_calls=[(f"call-{turn}", "add", {"left": 1, "right": 2})]) for turn in range(10)]
    async with openai_server(*[*asks, Says("done")] * 4 * ROUNDS) as server:
        sys.stdout.write(f"{server.base_url}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


async def durable() -> dict[str, Any]:
    """Measure a turn of the agent on the platform, one run at a time."""
    with tempfile.TemporaryDirectory(prefix="towpath-bench-") as folder:
        stage = Stage(HERE / "agent_loops_app.py", Path(folder), settings={"log_level": "WARNING"})
        try:
            await stage.put_up()
            async with Client(stage.nats_url) as client:
                return {f"{calls}_calls_ms": await _durable_ms(client, calls) for calls in CALLS}
        finally:
            await stage.take_down()


async def _durable_ms(client: Client, calls: int) -> float:
    took: list[float] = []
    for _ in range(ROUNDS + 1):
        began = time.perf_counter()
        await client.run(f"adds-{calls}", {"prompt": "go"})
        took.append((time.perf_counter() - began) / (calls + 1) * 1_000)
    return round(statistics.median(took[1:]), 2)


def add(left: int, right: int) -> int:
    """Add two numbers."""
    return left + right


async def main(parts: Sequence[str]) -> None:
    """Measure and print."""
    if "provide" in parts:
        await provide()
    if "loops" in parts:
        for name, figures in loops().items():
            show(f"P8 loop, {name}", figures)
        show("P12 import", importing())
    if "http" in parts:
        show("P8 loop over HTTP", await over_http())
    if "durable" in parts:
        show("P8 loop, durable", await durable())


def show(name: str, figure: dict[str, Any]) -> None:
    """Print one line of the table as soon as it is known."""
    sys.stdout.write(f"{name:<22} {json.dumps(figure)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:] or ("loops", "http", "durable")))
