"""Limits on the runs of a component: how many work at once, how often one begins, which of them are one.

They are declared on the component (`limits=[...]`) and hold for its runs on the platform, whoever starts them and
however many routers and runners there are. A run waits outside of any runner, and costs no memory there. Runs in this
process (`towpath.local`, `towpath.testing`) and calls of a function by a run are not limited.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, TypeVar, cast

from pydantic import ValidationError

from towpath.errors import RegistrationError
from towpath_schemas.inputs import ParameterNames
from towpath_schemas.limits import (
    ConcurrencyLimit,
    DebounceLimit,
    Limit,
    RateLimit as RateShape,
    SingletonLimit,
    pool_of,
)
from towpath_schemas.shape import Shape

ShapeT = TypeVar("ShapeT", bound=Shape)

Span = float | timedelta
"""Seconds, or a span of time."""


@dataclass(frozen=True, slots=True)
class Concurrency:
    """At most `limit` runs work at the same time; the others wait: higher priority first, then in their order.

    A run that waits for something, a child of its own included, keeps its place: where both are of one pool, and the
    pool is full of such parents, none of them goes on.

    Args:
        limit: How many.
        key: Dotted path into the arguments, such as `order.customer`: the limit holds for each value by itself. It does
            not matter whether they were given by name, by position or as one value; the name of the only parameter may
            be left out. Where nothing was given, null counts, even if there is a default.
        pool: Shared by all components of the tenant that name it, such as `openai`; the strictest of their limits
            holds.
    """

    limit: int
    key: str | None = None
    pool: str | None = None

    def __post_init__(self) -> None:
        self.described()

    def described(self) -> Limit:
        """Describe it for the catalogue."""
        return _read(ConcurrencyLimit, self, limit=self.limit, key=self.key, pool=self.pool)


@dataclass(frozen=True, slots=True)
class RateLimit:
    """In any span of `per` at most `limit` runs are let on; the others wait for their moment.

    Where a `Concurrency` is declared, too, they may have to wait for a place after that.

    Args:
        limit: How many.
        per: Seconds, or a `timedelta`.
        key: As for `Concurrency`.
        burst: So many may come at once, and the others evenly over the time; as many as `limit` if not given.
        pool: As for `Concurrency`.
    """

    limit: int
    per: Span
    key: str | None = None
    burst: int | None = None
    pool: str | None = None

    def __post_init__(self) -> None:
        self.described()

    def described(self) -> Limit:
        """Describe it for the catalogue."""
        return _read(
            RateShape,
            self,
            limit=self.limit,
            per_s=_seconds(self.per),
            key=self.key,
            burst=self.burst,
            pool=self.pool,
        )


@dataclass(frozen=True, slots=True)
class Debounce:
    """Of runs that are asked for in quick succession only the last one begins, when none came for `wait`.

    The others end as `continued`, and whoever waits for their results gets that of the last one.

    Args:
        wait: Seconds, or a `timedelta`.
        key: As for `Concurrency`.
        at_most: The first one waits no longer than this.
    """

    wait: Span
    key: str | None = None
    at_most: Span | None = None

    def __post_init__(self) -> None:
        self.described()

    def described(self) -> Limit:
        """Describe it for the catalogue."""
        at_most_s = None if self.at_most is None else _seconds(self.at_most)
        return _read(DebounceLimit, self, wait_s=_seconds(self.wait), key=self.key, at_most_s=at_most_s)


@dataclass(frozen=True, slots=True)
class Singleton:
    """One run at a time.

    Args:
        mode: What becomes of a newer one while one works. `skip`: it ends as `continued`, and whoever waits for its
            result gets that of the one that works. `replace`: the one that works is cancelled, may clean up, and the
            newer one begins when it has ended.
        key: As for `Concurrency`.
    """

    mode: Literal["skip", "replace"] = "skip"
    key: str | None = None

    def __post_init__(self) -> None:
        self.described()

    def described(self) -> Limit:
        """Describe it for the catalogue."""
        return _read(SingletonLimit, self, mode=self.mode, key=self.key)


AnyLimit = Concurrency | RateLimit | Debounce | Singleton


def described_limits(
    name: str, limits: Sequence[AnyLimit] | None, parameters: ParameterNames | None = None
) -> tuple[Limit, ...]:
    """Read what a component was given as its limits.

    Args:
        name: The component's.
        limits: What it was given.
        parameters: The arguments that keys are paths into; None where they are not known.

    Raises:
        RegistrationError: If one of them is none, two are about the same thing, or a key names no parameter.
    """
    given = [_checked(name, one) for one in _each(limits)]
    described = tuple(one.described() for one in given)
    concerns = [(one.kind, one.key, pool_of(one)) for one in described]
    for one, concern in zip(given, concerns, strict=True):
        if concerns.count(concern) > 1:
            raise RegistrationError(
                f"limits of {name}: there are two {type(one).__name__} with key={one.key!r}; "
                "leave one out, or give it another key"
            )
    if parameters is not None:
        _check_keys(name, described, parameters)
    return described


def _check_keys(name: str, described: Sequence[Limit], parameters: ParameterNames) -> None:
    """Refuse keys that are null for every input: each leads into a parameter, or into the value of the only one."""
    if parameters.only is not None or parameters.extra is not None:
        return
    for one in described:
        if one.key is not None and one.key.split(".")[0] not in parameters.all:
            remedy = f"begin with one of {', '.join(parameters.all)}" if parameters.all else "leave it out"
            raise RegistrationError(f"limits of {name}: key={one.key!r} names no parameter; {remedy}")


def _each(limits: object) -> Sequence[object]:
    if limits is None:
        return ()
    return cast("Sequence[object]", limits) if isinstance(limits, list | tuple) else (limits,)


def _checked(name: str, one: object) -> AnyLimit:
    if not isinstance(one, AnyLimit):
        raise RegistrationError(
            f"limits of {name}: {one!r} is none; give a list of Concurrency, RateLimit, Debounce, Singleton"
        )
    return one


def _seconds(span: Any) -> Any:
    return span.total_seconds() if isinstance(span, timedelta) else span


def _read(shape: type[ShapeT], given: AnyLimit, **said: Any) -> ShapeT:
    key = said.get("key")
    if isinstance(key, str) and key and not all(key.split(".")):
        raise RegistrationError(
            f"no {type(given).__name__}: key={key!r} has nothing between two dots, or at an end; write a path such as "
            "order.customer"
        )
    try:
        return shape.model_validate(said, strict=True)
    except ValidationError as error:
        wrong = "; ".join(f"{_field(one['loc'])}: {one['msg']}" for one in error.errors())
        raise RegistrationError(f"no {type(given).__name__}: {wrong}; it was {given!r}") from error


def _field(path: tuple[int | str, ...]) -> str:
    """Tell what a field of a shape is called in the class of the same limit."""
    return str(path[0]).removesuffix("_s")
