"""Starting runs."""

from collections.abc import Mapping
from typing import TypedDict, Unpack

from towpath.asking import asking
from towpath.client.connection import Connection
from towpath.values import to_json_value
from towpath_schemas.attribution import AttributionClaim
from towpath_schemas.requests import RunAccepted, StartRequested


class StartOptions(TypedDict, total=False):
    """What may be said about a run beside its component and input.

    Attributes:
        idempotency_key: The same key of the same tenant and component finds the same run.
        headers: What else the component may ask for (`ctx.headers()`).
        delay_s: Seconds to wait before a runner may have it.
        priority: From -100 to 100: where runs wait for their turn, higher ones go first.
        tenant: For whom the run works.
        attribution: Who is behind the request.
    """

    idempotency_key: str | None
    headers: Mapping[str, str] | None
    delay_s: float
    priority: int
    tenant: str
    attribution: AttributionClaim | None


class Starting(Connection):
    """Starts runs."""

    async def start(
        self,
        component: str,
        input: object = None,  # noqa: A002 - the word of the request
        **options: Unpack[StartOptions],
    ) -> str:
        """Start a run and return its id; from now on it cannot be lost.

        Args:
            component: A workflow, agent or function by its name.
            input: The component's input: an object of its parameters, or the value of its only one.
            options: See `StartOptions`.

        Raises:
            RequestRefusedError: If the platform says no.
            UnavailableError: If nobody says anything.
            NotSerialisableError: If JSON cannot carry `input`.
            InvalidInputError: If an option is not what it takes.
        """
        accepted = await self.submit(component, input, **options)
        return accepted.run_id

    async def start_workflow(
        self, workflow_name: str, input_data: object = None, **options: Unpack[StartOptions]
    ) -> dict[str, str]:
        """Do what `start` does; the id of the run comes as `workflow_id`, and as `run_id`."""
        run_id = await self.start(workflow_name, input_data, **options)
        return {"workflow_id": run_id, "run_id": run_id}

    async def submit(
        self,
        component: str,
        input: object = None,  # noqa: A002 - the word of the request
        *,
        idempotency_key: str | None = None,
        headers: Mapping[str, str] | None = None,
        delay_s: float = 0.0,
        priority: int = 0,
        tenant: str = "default",
        attribution: AttributionClaim | None = None,
        traceparent: str | None = None,
    ) -> RunAccepted:
        """Do what `start` does, below a trace of the caller's, and tell also whether the run existed before."""
        asked = asking(
            StartRequested,
            input=to_json_value(input),
            idempotency_key=idempotency_key,
            headers=dict(headers or {}),
            delay_s=delay_s,
            priority=priority,
            attribution=attribution,
        )
        return await self._opened.start(
            component, asked, tenant=tenant, traceparent=traceparent, within_s=self._patience_s
        )
