"""`ctx.metrics()`: counters, distributions and levels of a component's own, as OpenTelemetry metrics."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Protocol

from opentelemetry.metrics import Counter, Histogram, get_meter

from towpath.components import ComponentType
from towpath.context_services.attributes import AttributeValue, attributes_of
from towpath_schemas.attribution import Attribution
from towpath_schemas.telemetry import COMPONENT, COMPONENT_TYPE, TENANT, USER_CODE

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_./-]{0,254}")
"""What OpenTelemetry takes as the name of an instrument."""


class Measured(Protocol):
    """What metrics need of a context."""

    component_type: ComponentType
    attribution: Attribution
    metadata: Mapping[str, Any]

    @property
    def silent(self) -> bool:
        """Whether the code only repeats what it did before."""
        ...


class Metrics:
    """Records what a component measures, with the component and the tenant; replayed code records nothing twice.

    The run is no attribute, since each run would be a series of its own for ever: it is found by the exemplar, which
    names the trace.
    """

    def __init__(self, context: Measured) -> None:
        self._context = context

    def increment(self, name: str, /, value: float = 1, **attributes: Any) -> None:
        """Count something that happened.

        Raises:
            ValueError: If the name is none that OpenTelemetry takes, or `value` is negative.
        """
        if value < 0:
            raise ValueError(f"metric {name!r}: a counter only grows, {value} is negative; record a gauge")
        counter = _counter(_checked(name))
        if not self._context.silent:
            counter.add(value, self._attributes(attributes))

    def observe(self, name: str, /, value: float, **attributes: Any) -> None:
        """Add a value to a distribution, such as the milliseconds that something took.

        Raises:
            ValueError: If the name is none that OpenTelemetry takes.
        """
        histogram = _histogram(_checked(name))
        if not self._context.silent:
            histogram.record(value, self._attributes(attributes))

    def gauge(self, name: str, /, value: float, **attributes: Any) -> None:
        """Say how high something is now.

        Raises:
            ValueError: If the name is none that OpenTelemetry takes.
        """
        gauge = _gauge(_checked(name))
        if not self._context.silent:
            gauge.set(value, self._attributes(attributes))

    def _attributes(self, said: Mapping[str, Any]) -> dict[str, AttributeValue]:
        context = self._context
        return {
            **attributes_of(said),
            COMPONENT: str(context.metadata.get("component", "")),
            COMPONENT_TYPE: context.component_type.value,
            TENANT: context.attribution.tenant,
        }


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a metric: a letter, then up to 254 of A-Z a-z 0-9 _ . / -")
    return name


@lru_cache(maxsize=1_024)
def _counter(name: str) -> Counter:
    return get_meter(USER_CODE).create_counter(name)


@lru_cache(maxsize=1_024)
def _histogram(name: str) -> Histogram:
    return get_meter(USER_CODE).create_histogram(name)


@lru_cache(maxsize=1_024)
def _gauge(name: str):
    return get_meter(USER_CODE).create_gauge(name)
