"""The HTTP interface: runs in, views of runs out."""

from typing import Annotated

from fastapi import FastAPI, Header, Path, Request, Response
from fastapi.responses import JSONResponse

from towpath.client import Client
from towpath.errors import UnknownRunError
from towpath_chassis.health import Health
from towpath_chassis.telemetry import Tracing
from towpath_gateway.bodies import RunRequested
from towpath_gateway.limits import BodyLimit
from towpath_gateway.problems import documented, install
from towpath_schemas.payloads import MAX_PAYLOAD_BYTES
from towpath_schemas.requests import RunAccepted
from towpath_schemas.runs import RunView

_REQUEST = "towpath.http.request"


def http_app(client: Client, health: Health, tracing: Tracing, *, tenant: str) -> FastAPI:
    """Make the application; runs that are started through it work for `tenant`."""
    app = FastAPI(title="Towpath", version="1", summary="Start durable runs, and look at them.")
    install(app)
    app.add_middleware(BodyLimit, limit=MAX_PAYLOAD_BYTES)
    _serve_runs(app, client, tracing, tenant)
    _serve_health(app, health)
    return app


def _serve_runs(app: FastAPI, client: Client, tracing: Tracing, tenant: str) -> None:
    @app.post(
        "/v1/runs",
        status_code=202,
        tags=["runs"],
        response_model_exclude_none=True,
        responses={200: {"model": RunAccepted}, **documented(400, 404, 413, 422, 503)},
    )
    async def start_run(
        asked: RunRequested, response: Response, traceparent: Annotated[str | None, Header()] = None
    ) -> RunAccepted:
        """Start a run: 202 once it exists, 200 if its idempotency key had started it before."""
        with tracing.span(_REQUEST, parent=traceparent) as inside:
            accepted = await client.submit(
                asked.component,
                asked.input,
                idempotency_key=asked.idempotency_key,
                priority=asked.priority,
                tenant=tenant,
                attribution=asked.attribution,
                traceparent=inside,
            )
        if accepted.existed:
            response.status_code = 200
        return accepted

    @app.get(
        "/v1/runs/{run_id}",
        tags=["runs"],
        response_model_exclude_none=True,
        responses=documented(404, 422, 503),
    )
    async def show_run(run_id: Annotated[str, Path(min_length=1, max_length=256)]) -> RunView:
        """Show a run as it is now."""
        run = await client.status(run_id)
        if run is None or run.attribution.tenant != tenant:
            raise UnknownRunError(run_id)
        return run


def _serve_health(app: FastAPI, health: Health) -> None:
    async def answer(request: Request) -> JSONResponse:
        status, body = health.answer(request.url.path)
        return JSONResponse(body, status_code=status)

    for path in ("/healthz", "/readyz"):
        app.add_route(path, answer, include_in_schema=False)
