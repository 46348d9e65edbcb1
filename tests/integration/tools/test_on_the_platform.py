"""Tools of many kinds on the platform: approved by people, done by tool-runners, wherever they live."""

from collections.abc import AsyncGenerator

import pytest

from towpath import Agent, Client, MCPTool, function, tool, tool_call
from towpath.errors import RequestRefusedError
from towpath.models.port import ModelRequest
from towpath.models.scripted import script
from towpath.tools.confirmation import Confirmation
from towpath.tools.hosted import HostedTool
from towpath_chassis.journal import read_journal
from towpath_schemas import identity, subjects
from towpath_schemas.approvals import approval_id
from towpath_schemas.attribution import Attribution
from towpath_schemas.calls import CallRequested
from towpath_schemas.journal import CallIntended, JournalRecord
from towpath_schemas.streams import TOOLS
from towpath_testkit.builders import SERVICE, TENANT
from towpath_testkit.hosting import APP, Platform, platform
from towpath_testkit.mcp_server import Calls, sample_server
from towpath_testkit.servers import servers
from towpath_testkit.settled import until, until_there_are
from towpath_testkit.web import serving
from towpath_tool_runner.app import app as tool_runner_app
from towpath_tool_runner.settings import Settings as ToolRunnerSettings

pytestmark = pytest.mark.live


@pytest.fixture
async def towpath() -> AsyncGenerator[Platform]:
    async with servers(redis=False) as started, platform(started.nats.url) as hosting:
        yield hosting


def heard(asked: ModelRequest) -> str:
    return asked.messages[-1].content


async def approval_of(towpath: Platform, run_id: str) -> str:
    """Wait until a run asks for an approval, and return its id."""

    def is_asked(records: list[JournalRecord]) -> bool:
        return any(isinstance(one, CallIntended) and one.act == "approval" for one in records)

    await until(lambda: towpath.journal(run_id), is_asked)
    entries = await read_journal(towpath.js, run_id)
    return approval_id(run_id, next(number for number, one in entries if is_asked([one])))


async def forge(towpath: Platform, run_id: str, name: str) -> None:
    """Publish a call that no run has made, as whoever may publish there can; return when it was handled."""
    key = f"forged-{name}"
    call = CallRequested(
        run_id=run_id,
        key=key,
        call_id=identity.call_id(run_id, key),
        service=SERVICE,
        name="erase",
        act="tool",
        arguments={"name": name},
        attribution=Attribution(tenant=TENANT),
        correlation_id="c",
    )
    await towpath.js.publish(subjects.call(SERVICE, "erase"), call.to_body())
    await until_there_are(towpath.js, TOOLS, 0)


async def test_a_tool_runs_when_a_person_has_said_yes_to_it_and_never_otherwise(towpath: Platform) -> None:
    ran: list[str] = []

    @tool(confirmation=Confirmation(roles=("admin",), expires_s=1.5))
    def erase(name: str) -> str:
        """Erase a database."""
        ran.append(name)
        return f"{name} is gone"

    script("cleaner", [tool_call("erase", name="test"), heard])
    Agent(name="cleaner", model="test/cleaner", tools=[erase])
    await towpath.all()

    async with Client.over(towpath.js) as client:
        run_id = await towpath.start("cleaner", "Clean up")
        approval = await approval_of(towpath, run_id)
        await forge(towpath, run_id, "test")
        with pytest.raises(RequestRefusedError, match="erase"):
            await client.run("erase", {"name": "test"})
        with pytest.raises(RequestRefusedError, match="content_sha256"):
            await client.decide(approval, "approved", role="admin", content_sha256="0" * 64)
        with pytest.raises(RequestRefusedError, match="is for admin"):
            await client.decide(approval, "approved", role="guest")
        before = list(ran)
        await client.decide(approval, "approved", approver="ada", role="admin")
        approved = await towpath.finished(run_id)
        await forge(towpath, run_id, "live")

        rejected_id = await towpath.start("cleaner", "Clean up")
        await client.decide(await approval_of(towpath, rejected_id), "rejected", "no", role="admin")
        rejected = await towpath.finished(rejected_id)
        expired = await towpath.run("cleaner", "Clean up")

    assert (before, ran) == ([], ["test"])
    assert approved.result["output"] == "test is gone"
    assert "erase was not run: somebody rejected it: no" in rejected.result["output"]
    assert "nobody approved it in time" in expired.result["output"]


async def test_tools_of_mcp_servers_and_other_services_are_acts_of_the_run(towpath: Platform) -> None:
    large = "0123456789" * 200_000

    @function
    def count(text: str) -> int:
        return len(text)

    said = ToolRunnerSettings(**towpath._said({}), app=APP, service_name="far")
    await towpath._host("tool-runner", said, tool_runner_app, "far")  # it has `count`, and nothing else

    @tool
    def fetch() -> str:
        """Fetch much."""
        return large

    def last_results(asked: ModelRequest) -> str:
        return " ".join(one.content[:9] for one in asked.messages if one.role == "tool")

    async with serving(sample_server(calls := Calls()).streamable_http_app()) as url:
        source = MCPTool("sample", f"{url}/mcp", capabilities=["add"])
        counting = HostedTool("count_far_away", "Count", "towpath://far/count")
        calls_of_model = [
            [tool_call("sample_add", a=2, b=3), tool_call("count_far_away", text="four"), tool_call("fetch")]
        ]
        script("worker", [*calls_of_model, last_results])
        Agent(name="worker", model="test/worker", tools=[source, counting, fetch])
        await towpath.all()

        run_id = await towpath.start("worker", "Work")
        finished = await towpath.finished(run_id)
        journal = await towpath.journal(run_id)
        await source.close()

    assert finished.result["output"] == "5 4 012345678"
    assert calls.added == 1
    acts = [
        (one.target, one.service) for one in journal if isinstance(one, CallIntended) and one.act == "tool"
    ]
    assert sorted(acts) == [
        ("count", "far"),
        ("fetch", SERVICE),
        ("sample:call", SERVICE),
        ("sample:tools", SERVICE),
    ]
