"""One call within this process: what is called, how long it may take, and how it ended."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from towpath.components import Component, ComponentType
from towpath.failures import component_error, failure_of
from towpath.local.done_acts import Done
from towpath.retry import Attempted, retry_after_s
from towpath_schemas.entities import EntityName
from towpath_schemas.failure import Failure


@dataclass(frozen=True, slots=True)
class Callee:
    """What a context is the context of.

    Attributes:
        place: Where in the code of its run it was called; with the run, it identifies the call.
        tried: Which attempt it is, those of whoever waits for it counted in.
        callers: Entities that are written by methods which wait for it, or are it, the outermost first.
        reads_only: Whether it is, or somebody who waits for it is, a shared method of an entity.
        done: What its attempts have done; None where there is only one.
    """

    component_type: ComponentType
    name: str = ""
    attempt: int = 1
    place: str | None = None
    object_id: str | None = None
    method_name: str | None = None
    tried: int = 1
    callers: tuple[EntityName, ...] = ()
    reads_only: bool = False
    done: Done | None = None

    def inside(self, place: str) -> str:
        """Tell where in the code of the run `place` of its own code is."""
        return f"{self.place}/{place}" if self.place else place

    def called(
        self, component_type: ComponentType, name: str, place: str, *, attempt: int = 1, **more: Any
    ) -> "Callee":
        """Describe what it calls, and waits for."""
        known: dict[str, Any] = {"callers": self.callers, "reads_only": self.reads_only, **more}
        tried = self.tried + attempt - 1
        return Callee(component_type, name, attempt, self.inside(place), tried=tried, **known)

    def starting(self, component_type: ComponentType) -> "Callee":
        """Describe the run of its own that it starts, and may wait for."""
        return Callee(component_type, callers=self.callers, reads_only=self.reads_only)


def deadline_of(component: Component) -> AbstractAsyncContextManager[None]:
    """Stop one attempt at its time limit, and say which limit it was."""
    return within(component.timeout_s, component.name)


@asynccontextmanager
async def within(limit_s: float | None, name: str) -> AsyncGenerator[None]:
    """Stop a block that takes more seconds than this; None is for ever.

    Raises:
        TimeoutError: If it did; it says so of `name`.
    """
    deadline = asyncio.timeout(limit_s)
    try:
        async with deadline:
            yield
    except TimeoutError as error:
        if not deadline.expired():
            raise
        raise TimeoutError(f"{name} did not end within {limit_s:g} s") from error


def value_of(ended: Attempted) -> Any:
    """Return the value; raise what went wrong for good.

    Raises:
        ComponentError: If it failed.
    """
    if ended.error is not None:
        raise component_error(final_failure(ended.error)) from ended.error
    return ended.value


def final_failure(error: Exception) -> Failure:
    """Tell the failure of an act that will not be tried again, and when a further call may be made."""
    return failure_of(error).model_copy(update={"retryable": False, "retry_after_s": retry_after_s(error)})
