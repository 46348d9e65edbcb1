"""Admits starts: a request for a component becomes a run that exists from now on."""

import time

from towpath_router.catalogue import Catalogue
from towpath_router.requests import Asked, RefusedError
from towpath_router.starting import Starter
from towpath_schemas import identity
from towpath_schemas.envelope import plain_headers
from towpath_schemas.journal import RunStarted
from towpath_schemas.requests import RunAccepted, StartRequested


class Admission:
    """Starts the runs that are asked for."""

    def __init__(self, catalogue: Catalogue, starter: Starter) -> None:
        self._catalogue = catalogue
        self._starter = starter

    async def start(self, asked: Asked[StartRequested]) -> RunAccepted:
        """Start a run of a component.

        Raises:
            RefusedError: If no service offers the component.
        """
        started = await self._started(asked)
        key = asked.said.idempotency_key or asked.own_id
        run_id = identity.run_id(asked.tenant, asked.target, key)
        delay_s = asked.said.delay_s
        existed = await self._starter.start(run_id, started, at=asked.at + delay_s if delay_s else None)
        return RunAccepted(run_id=run_id, component=asked.target, existed=existed)

    async def _started(self, asked: Asked[StartRequested]) -> RunStarted:
        found = await self._catalogue.find(asked.target)
        if found is None:
            raise RefusedError("unknown_component", self._catalogue.unknown(asked.target))
        return RunStarted(
            at=time.time(),
            component=asked.target,
            component_kind=found.kind,
            service=found.service,
            version=found.version,
            input=asked.said.input,
            attribution=asked.by,
            correlation_id=asked.own_id,
            traceparent=asked.traceparent,
            headers=_headers(asked),
            priority=asked.said.priority,
        )


def _headers(asked: Asked[StartRequested]) -> dict[str, str]:
    """Gather what the requester said beside the input: in the message's own headers, and in the body, which counts."""
    said = {name.lower(): value for name, value in asked.said.headers.items()}
    return {**plain_headers(asked.request.headers), **said}
