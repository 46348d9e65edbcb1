"""The flow that the documentation of agnt5 begins with, and functions for its steps: what its client samples call.

Its service is `etl-service` there; a service has the name of its module unless it is given one, and this one is not.
"""

from typing import Any

from towpath import FlowDefinition, function, task_step, workflow


@workflow()
def data_pipeline() -> FlowDefinition:
    return FlowDefinition(
        [
            task_step(name="extract", service_name="pipeline_app", handler_name="extract_data"),
            task_step(
                name="transform",
                service_name="pipeline_app",
                handler_name="transform_data",
                dependencies=["extract"],
            ),
            task_step(
                name="load", service_name="pipeline_app", handler_name="load_data", dependencies=["transform"]
            ),
        ]
    )


@function
async def extract_data(request: dict[str, Any]) -> list[str]:
    return [request["input"]["source"], "row"]


@function
async def transform_data(input: Any, deps: dict[str, list[str]]) -> list[str]:  # noqa: A002 - a flow names it
    return [row.upper() for row in deps["extract"]]


@function
async def load_data(input: Any, deps: dict[str, list[str]]) -> int:  # noqa: A002 - see above
    return len(deps["transform"])
