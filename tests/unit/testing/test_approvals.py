"""Approvals: who may decide, about what, how long, and what the run is told."""

from typing import Any

import pytest

from towpath import Context, workflow
from towpath.errors import ComponentError, RequestRefusedError
from towpath.testing import VirtualPlatform, VirtualRun, crash_everywhere


async def deploys(ctx: Context) -> Any:
    approval = await ctx.human.approval(
        "deploy", payload={"v": 1}, timeout=3600, required_roles=["admin", "ops"]
    )
    return [approval.decision, approval.approver, approval.comment, str(approval.at)]


async def test_a_person_with_the_role_decides_and_is_named() -> None:
    deploy = workflow("deploy")(deploys)

    async with VirtualPlatform() as platform:
        run = await platform.start(deploy)
        (asked,) = platform.approvals()
        assert (asked.name, asked.run_id, asked.asked.payload) == ("deploy", run.run_id, {"v": 1})
        await platform.advance(minutes=10)

        await platform.approve(run, by="ada", role="ops", comment="go")

        assert await run.result() == ["approved", "ada", "go", "2025-01-01 00:10:00+00:00"]
        assert platform.approvals() == []


async def test_a_wrong_role_is_refused_and_the_run_goes_on_waiting() -> None:
    deploy = workflow("deploy")(deploys)

    async with VirtualPlatform() as platform:
        run = await platform.start(deploy)

        for role in ("guest", None):
            with pytest.raises(RequestRefusedError, match="is for admin, ops; the role is") as caught:
                await platform.approve(run, by="eve", role=role)
            assert caught.value.failure.code == "forbidden"
        assert run.waits_for == ["approval 'deploy'"]
        await platform.approve(platform.approvals(run)[0], decision="rejected", by="ada", role="admin")

        assert (await run.result())[:2] == ["rejected", "ada"]


@pytest.mark.parametrize("said", ["manager", ("manager",), {"manager"}])
async def test_one_role_may_be_named_by_itself(said: Any) -> None:
    @workflow
    async def asks(ctx: Context) -> str:
        return (await ctx.human.approval("a", required_roles=said)).decision

    async with VirtualPlatform() as platform:
        run = await platform.start(asks)

        for letter in set("manager"):
            with pytest.raises(RequestRefusedError, match="is for manager"):
                await platform.approve(run, role=letter)
        await platform.approve(run, role="manager")

        assert await run.result() == "approved"


@pytest.mark.parametrize("said", [None, "", 5, ["admin", 5], [""]])
async def test_roles_that_are_none_are_refused_and_mean_nobody_rather_than_anybody(said: Any) -> None:
    @workflow
    async def asks(ctx: Context) -> str:
        return (await ctx.human.approval("a", required_roles=said)).decision

    async with VirtualPlatform() as platform:
        with pytest.raises(ComponentError, match=r"required_roles is .+; give the name of a role"):
            await platform.run(asks)


@pytest.mark.parametrize("name", ["", 5, None])
async def test_a_wait_without_a_name_is_refused(name: Any) -> None:
    @workflow
    async def waits(ctx: Context, kind: str) -> Any:
        waiting = {"signal": ctx.signal, "emit": ctx.signal.emit, "approval": ctx.human.approval}
        return await waiting[kind](name)

    async with VirtualPlatform() as platform:
        for kind in ("signal", "emit", "approval"):
            with pytest.raises(ComponentError, match="cannot be used; give text that is not empty"):
                await platform.run(waits, kind)


async def test_a_decision_is_bound_to_what_was_shown() -> None:
    deploy = workflow("deploy")(deploys)

    async with VirtualPlatform() as platform:
        await platform.start(deploy)
        (asked,) = platform.approvals()

        with pytest.raises(RequestRefusedError, match="look at what it is about") as caught:
            await platform.approve(asked, role="admin", content_sha256="0" * 64)
        assert caught.value.failure.code == "stale_approval"
        await platform.approve(asked.approval_id, role="admin", content_sha256=asked.asked.content_sha256)


async def test_an_approval_that_nobody_gave_has_expired_and_cannot_be_given() -> None:
    deploy = workflow("deploy")(deploys)

    async with VirtualPlatform() as platform:
        run = await platform.start(deploy)
        (asked,) = platform.approvals()
        await platform.advance(hours=1)

        assert (await run.result())[0] == "expired"
        with pytest.raises(RequestRefusedError, match="waits for no decision"):
            await platform.approve(asked, role="admin")


async def test_of_several_approvals_of_a_run_one_must_be_chosen() -> None:
    @workflow
    async def both(ctx: Context) -> Any:
        said = await ctx.gather(a=ctx.human.approval("a"), b=ctx.human.approval("b"))
        return {name: approval.approver for name, approval in said.items()}

    async with VirtualPlatform() as platform:
        run = await platform.start(both)
        with pytest.raises(LookupError, match=r"several approvals \(a, b\)"):
            await platform.approve(run)
        first, second = platform.approvals(run)
        await platform.approve(second, by="bob")
        await platform.approve(first, by="ada")

        assert await run.result() == {"a": "ada", "b": "bob"}


async def test_a_decision_is_taken_once_wherever_the_run_dies() -> None:
    deploy = workflow("deploy")(deploys)

    async def script(platform: VirtualPlatform, run: VirtualRun) -> None:
        await platform.approve(run, by="ada", role="admin")

    assert (await crash_everywhere(deploy, script=script)).finished.result[0] == "approved"
