"""What a platform in a test refuses: what the real one refuses as well, and what only that can do."""

from collections.abc import Iterable

from towpath.components import Component, Registry
from towpath.errors import ConfigurationError, RequestRefusedError
from towpath.testing.stored_run import StoredRun
from towpath_schemas.limits import Limit, pool_of
from towpath_schemas.payloads import MAX_PAYLOAD_BYTES, too_large

_OF_WORKING_RUNS = frozenset({"concurrency", "singleton"})
"""Kinds of limits that look at runs under way; the others look at runs that have ended, too."""


def check_size(what: str, size: int) -> None:
    """Refuse what is too large for a request.

    Raises:
        RequestRefusedError: If it is.
    """
    if size > MAX_PAYLOAD_BYTES:
        raise RequestRefusedError(too_large(what, size))


def check_limits(run_id: str, component: str, runs: Iterable[StoredRun], registry: Registry) -> None:
    """Refuse a run that a limit of its component could hold back or merge because of others: nobody keeps limits here.

    Raises:
        ConfigurationError: If it is one.
    """
    limited = registry.runnable(component)
    if limited is None or not limited.limits:
        return
    for other in runs:
        kinds = {limit.kind for limit in limited.limits if _counts(other, limit, limited, registry)}
        if kinds:
            raise ConfigurationError(
                f"{component!r} has limits ({', '.join(sorted(kinds))}) that run {run_id} has to pass after run "
                f"{other.run_id}, and VirtualPlatform keeps none: each run begins at once. Say without_limits=True to "
                "test code so, and test limits on `towpath dev`"
            )


def _counts(run: StoredRun, limit: Limit, limited: Component, registry: Registry) -> bool:
    """Tell whether a limit may look at another run, whatever its key is there."""
    other, pool = registry.runnable(run.started.component), pool_of(limit)
    pools = {pool_of(one) for one in other.limits} if other is not None else set[str | None]()
    is_shared = other is limited or (pool is not None and pool in pools)
    return is_shared and (run.finished is None or limit.kind not in _OF_WORKING_RUNS)
