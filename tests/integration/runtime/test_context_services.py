"""The services of a context on the platform: what a crash does not undo, and does not have paid for twice."""

import asyncio

import pytest

from towpath import Context, ModelReply, ModelRequest, script, workflow
from towpath_schemas.journal import CallSettled
from towpath_testkit.hosting import Platform
from towpath_testkit.settled import until

pytestmark = pytest.mark.live


class Model:
    """A model that counts how often it is asked; the second answer is not given to a runner that is to die."""

    name = "test/counting"

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.reached = asyncio.Event()

    async def generate(self, request: ModelRequest) -> ModelReply:
        self.asked.append(request.messages[-1].content)
        if self.asked.count("second") == 1 and self.asked[-1] == "second":
            self.reached.set()
            await asyncio.Event().wait()
        return ModelReply(text=f"{self.asked[-1]} answer")


async def test_no_finished_model_call_is_paid_for_twice_when_its_runner_dies(
    towpath: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Model()
    monkeypatch.setenv("TOWPATH_CONFIG_TONE", "kind")

    @workflow
    async def asks(ctx: Context) -> list[str]:
        tone = ctx.config().get("tone", "none")
        said = [chunk.text async for chunk in ctx.llm.stream("first", model=model)]
        second = await ctx.llm.generate("second", model=model)
        return [tone, "".join(said), second.text]

    await towpath.router(lost_after_s=1.5)
    first = await towpath.agent_runner()
    run_id = await towpath.start("asks")
    await model.reached.wait()

    await first.crash()
    monkeypatch.setenv("TOWPATH_CONFIG_TONE", "harsh")
    await towpath.agent_runner()
    finished = await towpath.finished(run_id)

    assert finished.result == ["kind", "first answer", "second answer"]
    assert model.asked == ["first", "second", "second"]


async def test_whoever_stops_listening_to_a_model_has_the_run_go_on(towpath: Platform) -> None:
    script("talks", lambda request: "one two three four five six seven")

    @workflow
    async def listens(ctx: Context) -> str:
        async for chunk in ctx.llm.stream("Count.", model="test/talks"):
            if chunk.text:
                break
        return await ctx.step("after", lambda: "went on")

    await towpath.all()
    run_id = await towpath.start("listens")

    assert (await towpath.finished(run_id)).result == "went on"
    records = await until(
        lambda: towpath.journal(run_id),
        lambda written: any(isinstance(record, CallSettled) for record in written),
    )
    (heard,) = [record for record in records if isinstance(record, CallSettled)]
    assert "one two three four five six seven".startswith(heard.result["text"].strip())
