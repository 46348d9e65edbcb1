"""What is left to do when a run has ended: its parent, its children, its successor."""

from towpath.engine.history import History
from towpath_schemas import identity
from towpath_schemas.calls import ChildRequested, RunClosed
from towpath_schemas.journal import RunFinished, RunStarted
from towpath_schemas.object_keys import places_in_line


def closed(run_id: str, history: History) -> RunClosed | None:
    """Say what is left to do about a run; None if it has not ended."""
    if history.started is None or history.finished is None:
        return None
    started, finished = history.started, history.finished
    told = finished if started.parent else None
    return RunClosed(
        run_id=run_id,
        end=finished.end,
        result=told.result if told else None,
        failure=told.failure if told else None,
        parent=None if finished.successor else started.parent,
        children=_children(run_id, history),
        successor=_successor(run_id, started, finished, leaves=history.incoming.has_come),
        gates=started.gates,
        alarmed=history.alarmed,
        places=places_in_line(started.service, history.begun, history.ended),
        attribution=started.attribution,
    )


def _children(run_id: str, history: History) -> tuple[str, ...]:
    """List the runs that end with this one, and have not."""
    begun = (one for one in history.unsettled("run") if one.input is not None)  # else it is lost
    return tuple(identity.child_run_id(run_id, one.key) for one in begun if one.input["join"] != "detached")


def _successor(
    run_id: str, started: RunStarted, finished: RunFinished, *, leaves: bool
) -> ChildRequested | None:
    """Ask for the run that goes on; it inherits the parent, which hears of the last one's end."""
    if finished.successor is None:
        return None
    return ChildRequested(
        run_id=finished.successor,
        component=started.component,
        service=started.service,
        input=finished.result,
        parent=started.parent,
        continues=run_id,
        inherits=leaves,
        headers=started.headers,
        attribution=started.attribution,
        correlation_id=started.correlation_id,
        priority=started.priority,
    )
