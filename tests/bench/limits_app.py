"""User code of the benchmark of limits: the same run, with and without gates before it."""

from towpath import Concurrency, RateLimit, WorkflowContext, workflow


@workflow
async def free(ctx: WorkflowContext, number: int) -> int:
    return number


@workflow(limits=[Concurrency(1_000_000)])
async def roomy(ctx: WorkflowContext, number: int) -> int:
    return number


@workflow(limits=[Concurrency(16)])
async def narrow(ctx: WorkflowContext, number: int) -> int:
    return number


@workflow(limits=[RateLimit(10_000, per=1)])
async def rated(ctx: WorkflowContext, number: int) -> int:
    return number


@workflow(limits=[Concurrency(1, key="number")])
async def keyed(ctx: WorkflowContext, number: int) -> int:
    return number
