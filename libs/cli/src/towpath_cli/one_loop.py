"""A platform in this process: every service in one event loop, which is quick to start and easy to debug."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from importlib import import_module
from typing import Any

from towpath_chassis.service import Service, running
from towpath_chassis.settings import ServiceSettings
from towpath_cli.plan import MODULES, ROLES, Plan


@asynccontextmanager
async def in_one_loop(plan: Plan, *, roles: Sequence[str] = ROLES) -> AsyncGenerator[None]:
    """Run the services of a plan until the end of the block.

    Raises:
        ValueError: If a setting is wrong.
        TowpathError: If the user code cannot be loaded.
    """
    async with AsyncExitStack() as stack:
        for role in roles:
            settings, service = _service(plan, role)
            serves: str | None = getattr(settings, "service", None)
            await stack.enter_async_context(running(role, settings, service, serves=serves))
        yield


def _service(plan: Plan, role: str) -> tuple[ServiceSettings, Service[Any]]:
    package = MODULES[role]
    settings_class: type[ServiceSettings] = import_module(f"{package}.settings").Settings
    told: dict[str, Any] = dict(plan.settings_of(role))
    return settings_class(**told), import_module(f"{package}.app").app
