"""One call within this process: what is called, how long it may take, and how it ended."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from towpath.components import Component, ComponentType
from towpath.errors import ComponentError
from towpath.failures import failure_of
from towpath.local.entity_store import EntityPlace
from towpath.retry import Attempted
from towpath_schemas.failure import Failure


@dataclass(frozen=True, slots=True)
class Callee:
    """What a context is the context of.

    Attributes:
        place: Where in the caller's code it was called; with the run, it identifies the call.
        writing: Entities that it, or somebody who waits for it, is writing.
    """

    component_type: ComponentType
    name: str = ""
    attempt: int = 1
    place: str | None = None
    object_id: str | None = None
    method_name: str | None = None
    writing: frozenset[EntityPlace] = frozenset()


@asynccontextmanager
async def deadline_of(component: Component) -> AsyncGenerator[None]:
    """Stop one attempt at its time limit, and say which limit it was."""
    deadline = asyncio.timeout(component.timeout_s)
    try:
        async with deadline:
            yield
    except TimeoutError as error:
        if not deadline.expired():
            raise
        raise TimeoutError(f"{component.name} did not end within {component.timeout_s:g} s") from error


def value_of(ended: Attempted) -> Any:
    """Return the value; raise what went wrong for good.

    Raises:
        ComponentError: If it failed.
    """
    if ended.error is not None:
        raise ComponentError(final_failure(ended.error)) from ended.error
    return ended.value


def final_failure(error: Exception) -> Failure:
    """Tell the failure of an act that will not be tried again."""
    return failure_of(error).model_copy(update={"retryable": False})
