"""Code in the sandbox of the kernel: what it may do, what it may not, and that nothing of it is left."""

import asyncio
import os
import subprocess
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any

import pytest

from towpath import LocalContext, ToolCall
from towpath.errors import ConfigurationError, SandboxUnavailableError
from towpath.tools.sandbox import subprocess_sandbox
from towpath.tools.sandbox.code_tool import code_tool
from towpath.tools.sandbox.port import SandboxLimits, SandboxResult
from towpath.tools.sandbox.subprocess_sandbox import SubprocessSandbox
from towpath_testkit.settled import until_so

AS_USER = () if os.geteuid() == 0 else ("--user",)
KERNEL_REFUSES = subprocess.run(  # noqa: S603 - another program's word, so that no mistake of ours passes for the kernel's
    ["unshare", *AS_USER, "--mount", "--pid", "--net", "--ipc", "--fork", "true"],  # noqa: S607
    check=False,
    capture_output=True,
).returncode
"""Whether the kernel gives us no namespaces."""

MIB = 2**20
SMALL = SandboxLimits(
    wall_s=10, cpu_s=2, memory_bytes=128 * MIB, disk_bytes=4 * MIB, file_bytes=MIB, files=20
)


def in_namespaces(test: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Have `test` hold where the kernel gives namespaces; where it gives none, nothing may be run."""

    @wraps(test)
    async def refused(*arguments: Any, **named: Any) -> None:
        with pytest.raises(SandboxUnavailableError):
            await test(*arguments, **named)

    return refused if KERNEL_REFUSES else test


async def ran(code: str, **limits: Any) -> SandboxResult:
    return await SubprocessSandbox().run(code, limits=replace(SMALL, **limits))


def processes_with(mark: str) -> list[str]:
    """List the processes of this machine whose command line holds `mark`."""
    found: list[str] = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes()
        except OSError:
            continue
        if mark.encode() in command:
            found.append(str(path))
    return found


@in_namespaces
async def test_code_reads_writes_prints_and_ends() -> None:
    code = """
import json, sys
from pathlib import Path
Path("out").mkdir()
Path("out/sum.txt").write_text(str(sum(json.loads(Path("numbers.json").read_text()))))
print("done"); print("careful", file=sys.stderr); sys.exit(3)
"""
    result = await SubprocessSandbox().run(code, {"numbers.json": b"[1, 2]"})

    assert (result.ended, result.exit_code, result.output, result.errors) == (
        "failed",
        3,
        "done\n",
        "careful\n",
    )
    assert result.files == {"out/sum.txt": b"3"}
    assert {"wall_s", "memory_bytes", "files", "processes", "network", "environment"} <= {*result.enforced}


@in_namespaces
async def test_code_sees_nothing_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("API_KEY", "k1")
    (tmp_path / "secret").write_text("s1")
    code = f"""
import os
from pathlib import Path
print(os.environ.get("API_KEY"), os.getcwd(), len([one for one in os.listdir("/proc") if one.isdigit()]))
print(os.path.exists("{tmp_path}/secret"), os.path.exists("/etc/passwd"), os.path.exists("{Path(__file__)}"))
for path in ("/usr/x", "/x", "/lib/x", os.__file__ + "x", "/proc/1/environ"):
    try:
        open(path, "w")
    except OSError as error:
        print(type(error).__name__, end=" ")
try:
    os.setuid(0)
except OSError:
    print("nobody")
"""
    result = await ran(code)

    assert result.errors == ""
    assert result.output.splitlines()[:2] == ["None /sandbox 2", "False False False"]
    assert result.output.splitlines()[2].endswith("nobody")
    assert result.output.splitlines()[2].count("Error") == 5


@in_namespaces
async def test_an_endless_loop_is_stopped_by_either_clock() -> None:
    began = time.monotonic()

    busy = await ran("while True: pass", cpu_s=1)
    asleep = await ran("import time; time.sleep(3600)", wall_s=0.5)

    assert (busy.ended, asleep.ended, asleep.exit_code) == ("time", "time", None)
    assert time.monotonic() - began < 20


@in_namespaces
async def test_a_memory_hog_is_stopped_alone_or_in_a_group() -> None:
    alone = await ran("x = bytearray(512 * 2**20)")
    together = await ran(
        """
import os, time
for _ in range(4):
    if os.fork() == 0:
        x = b"x" * (60 * 2**20)
        time.sleep(60)
time.sleep(60)
"""
    )

    assert (alone.ended, "MemoryError" in alone.errors) == ("failed", True)
    assert together.ended == "memory"


@in_namespaces
async def test_a_fork_bomb_is_bounded_and_nothing_of_it_is_left() -> None:
    mark = f"bomb-{os.getpid()}"
    code = f"""
import os, time
mark = "{mark}"
count = 0
try:
    for _ in range(1000):
        if os.fork() == 0:
            os.setsid()
            time.sleep(3600)
        count += 1
except OSError as error:
    print(count, type(error).__name__)
"""
    result = await ran(code, processes=10)

    assert (result.ended, result.output) == ("done", "9 BlockingIOError\n")
    assert processes_with(mark) == []


@in_namespaces
async def test_files_are_limited_in_size_and_number() -> None:
    code = """
import errno
def until_refused(write):
    for number in range(1000):
        try:
            write(number)
        except OSError as error:
            return number, errno.errorcode[error.errno]
print(until_refused(lambda number: open(f"f{number}", "w").close()))
print(until_refused(lambda number: open("f0", "ab").write(b"x" * 2**18)))
print(until_refused(lambda number: open(f"f{number}", "wb").write(b"x" * 2**19)))
"""
    result = await ran(code)

    number, size, room = result.output.splitlines()
    assert (number, size) == ("(20, 'ENOSPC')", "(4, 'EFBIG')")
    assert room.endswith("'ENOSPC')")


@in_namespaces
async def test_there_is_no_network_unless_it_is_allowed() -> None:
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    code = f"import socket; socket.create_connection(('127.0.0.1', {port}), 5); print('connected')"
    async with server:
        kept_off = await ran(code)
        allowed = await ran(code, network=True)

    assert (kept_off.ended, "Network is unreachable" in kept_off.errors) == ("failed", True)
    assert allowed.output == "connected\n"
    assert "network" not in allowed.enforced


@in_namespaces
async def test_a_flood_of_output_is_stopped() -> None:
    result = await ran("while True: print('x' * 1000)", output_bytes=10_000)

    assert (result.ended, len(result.output)) == ("output", 10_000)


@in_namespaces
async def test_code_that_nobody_waits_for_any_more_is_ended() -> None:
    mark = f"forgotten-{os.getpid()}"
    await ran("pass")
    running = asyncio.create_task(ran(f"import time; mark = '{mark}'; time.sleep(3600)", wall_s=60))
    await until_so(lambda: processes_with(mark))

    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    assert processes_with(mark) == []


async def test_where_it_cannot_be_enforced_nothing_is_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    launcher = Path(subprocess_sandbox.__file__).with_name("launcher.py").read_text()
    crippled = tmp_path / "launcher.py"
    crippled.write_text(launcher.replace("_libc.unshare(flags)", "-1"))
    monkeypatch.setattr(subprocess_sandbox, "_LAUNCHER", crippled)

    with pytest.raises(SandboxUnavailableError, match="code cannot be kept apart here"):
        await ran("print('ran')")


@in_namespaces
async def test_what_cannot_be_is_refused_and_nothing_stays_open() -> None:
    await ran("pass")
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a count is enough
    await ran("pass")
    with pytest.raises(ConfigurationError, match="leads out of the sandbox's folder"):
        await SubprocessSandbox().run("", {"../x": b""})
    with pytest.raises(ConfigurationError, match=r"SandboxLimits\(wall_s=0\)"):
        SandboxLimits(wall_s=0)
    assert len(os.listdir("/proc/self/fd")) <= before  # noqa: PTH208 - see above


@in_namespaces
async def test_a_model_runs_code() -> None:
    await ran("pass")
    tool = code_tool(limits=SMALL)
    call = ToolCall(
        id="c1", name="run_python", arguments={"code": "print(open('a').read())", "files": {"a": "hi"}}
    )

    outcome = await LocalContext().invoke_tool(tool, call)

    assert "without network, for 10 s" in tool.description
    assert outcome.content == {"ended": "It ended well.", "output": "hi\n"}
