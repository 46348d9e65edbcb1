"""The audit-sink: tells the journal into the audit stream, and records that in the ledger."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import structlog

from towpath_audit_sink.recording import Recorder
from towpath_audit_sink.runs import Runs
from towpath_audit_sink.settings import Settings
from towpath_audit_sink.telling import Teller
from towpath_chassis.service import Chassis
from towpath_chassis.tasks import background

log = structlog.get_logger(__name__)

ROLE = "audit-sink"


@asynccontextmanager
async def app(chassis: Chassis[Settings]) -> AsyncGenerator[None]:
    """Tell and record until the end of the block."""
    settings = chassis.settings
    source = f"/towpath/{ROLE}/{settings.instance}"
    runs = Runs(chassis.js, source=source, limit=settings.remembered_runs)
    teller = Teller(chassis.js, chassis.tracing, runs, batch=settings.batch)
    chassis.health.add("audit", lambda: teller.standing)
    async with background(teller.run, name="tell"), _recording(chassis):
        yield


@asynccontextmanager
async def _recording(chassis: Chassis[Settings]) -> AsyncGenerator[None]:
    directory = chassis.settings.ledger_dir
    if directory is None:
        log.info("no ledger is kept; TOWPATH_LEDGER_DIR says where to")
        yield
        return
    recorder = Recorder(chassis.js, directory)
    chassis.health.add("ledger", lambda: recorder.trouble is None)
    async with background(recorder.run, name="record"):
        yield
