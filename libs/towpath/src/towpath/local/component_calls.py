"""Calls of the components of this process."""

from collections.abc import Callable
from typing import Any

from towpath.components import Component, ComponentType
from towpath.context import Context
from towpath.current import running_in
from towpath.dropping import Droppable, over_after
from towpath.errors import ContinuedAsNewError
from towpath.failures import failure_of
from towpath.groups import ungrouped
from towpath.local.calls import Callee, deadline_of, value_of, within
from towpath.local.children import LocalChildren
from towpath.local.done_acts import done_of
from towpath.local.surroundings import Surroundings
from towpath.retry import Attempted, RetryPolicy, attempted
from towpath.scopes import current_scope
from towpath.values import revive, to_json_value

_STOPPED = frozenset({ComponentType.FUNCTION, ComponentType.TOOL})
"""What is dropped if it outlives its time limit; the others may clean up by acts that take long."""


class LocalComponents:
    """Makes the calls of one context within the process."""

    def __init__(
        self, around: Surroundings, callee: Callee, inner: Callable[[Callee, LocalChildren], Context]
    ) -> None:
        self._around = around
        self._callee = callee
        self._inner = inner

    async def call(self, component: Component, payload: Any, place: str) -> Attempted:
        """Try a component as often as it says, each time in a context of its own."""

        async def once(attempt: int) -> Any:
            callee = self._callee.called(component.kind, component.name, place, attempt=attempt, done=done)
            context = self._inner(callee, children)
            with running_in(context, agent=agent):
                if component.timeout_s is None:
                    return await children.joined(_ended(component, context, payload))
                async with deadline_of(component):
                    return await children.joined(_ended(component, context, payload))

        agent, done = current_scope().agent, done_of(component.retry)
        async with LocalChildren() as children:
            return await attempted(once, component.retry, sleep=self._around.sleep)

    async def call_repeatedly(
        self, component: Component, payload: Any, place: str, *, policy: RetryPolicy, timeout_s: float | None
    ) -> Attempted:
        """Have calls made until one succeeds, each of which may take so long."""

        async def once(_attempt: int) -> Any:
            async with within(timeout_s, component.name):
                return value_of(await self.call(component, payload, place))

        def allows(error: Exception, attempt: int) -> bool:
            return policy.allows_again(failure_of(error), attempt)

        return await attempted(once, policy, sleep=self._around.sleep, allows=allows)

    async def call_to_its_end(self, component: Component, payload: Any, place: str) -> Any:
        """Run a component to its end, however often it continues as new, and return its result.

        Raises:
            ComponentError: If it failed for good.
        """
        while True:
            try:
                ended = await self.call(component, payload, place)
            except ContinuedAsNewError as again:
                payload = again.input
            else:
                return revive(value_of(ended), component.output_type)


async def _ended(component: Component, context: Context, payload: Any) -> Any:
    code = component.execute(context, payload)
    if component.kind in _STOPPED:
        with over_after(component.timeout_s) as is_over:
            result = to_json_value(await ungrouped(Droppable(code, is_over, name=component.name)))
    else:
        result = to_json_value(await ungrouped(code))
    await context.end_well()
    return result
