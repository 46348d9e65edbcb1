"""What a step or a component is given to run: how it is run once, and what type it gives."""

import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, cast
from weakref import WeakKeyDictionary

from towpath.annotations import hints_of
from towpath.apart import apart
from towpath.discarding import Discardable, begun_tasks, discard_work
from towpath.errors import ContextError, RegistrationError
from towpath.schema import Arguments, CallableSchema
from towpath.scopes import named
from towpath.step_input import deps_in
from towpath.streaming import items, result_type, yields
from towpath.threads import in_thread
from towpath.unbroken import unbroken

_NO_LOOP = ("no running event loop", "There is no current event loop")
"""How asyncio begins to say that it was asked for something where no event loop runs."""


@dataclass(frozen=True, slots=True)
class Body:
    """A component's body: binds the payload, then calls; a sync function runs in a thread."""

    schema: CallableSchema
    source: Callable[..., Any]

    async def __call__(self, context: Any, payload: Any) -> Any:
        """Bind `payload` and run; see `Executable`."""
        return await call(self.source, self.bound(context, payload))

    def bound(self, context: Any, payload: Any) -> Arguments:
        """Make the arguments of a call, the context among them if the source takes it.

        Raises:
            InvalidInputError: If the payload does not fit.
        """
        positional, named = self.schema.bind(payload)
        if (deps := deps_in(payload)) is not None:
            context.deps = deps
        leading = (context,) if self.schema.takes_context else ()
        return Arguments((*leading, *positional), named)


@dataclass(frozen=True, slots=True)
class FunctionBody(Body):
    """The body of a function: what it gives is held against its annotation as well."""

    async def __call__(self, context: Any, payload: Any) -> Any:
        """Bind `payload`, run, check the result; see `Executable`."""
        result = await call(self.source, self.bound(context, payload))
        self.schema.check_result(result)
        return result


@dataclass(frozen=True, slots=True)
class StreamingBody(Body):
    """The body of a function that yields; its result is the list of its chunks."""

    async def __call__(self, context: Any, payload: Any) -> list[Any]:
        """Bind `payload`, run, and keep every chunk; see `Executable`."""
        async with aclosing(self.stream(context, payload)) as chunks:
            return [chunk async for chunk in chunks]

    async def stream(self, context: Any, payload: Any) -> AsyncGenerator[Any]:
        """Bind `payload` and run, chunk by chunk; see `Streamable`.

        Raises:
            NotSerialisableError: If a chunk does not fit its annotation, or texts that follow each other hold a secret.
        """
        checked = self._checked(self.bound(context, payload))
        async with aclosing(unbroken(checked, self.schema.name)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def _checked(self, arguments: Arguments) -> AsyncGenerator[Any]:
        index = 0
        async with aclosing(items(self.source, *arguments)) as chunks:
            async for chunk in chunks:
                self.schema.check_chunk(chunk, index)
                yield chunk
                index += 1


async def call(function: Callable[..., Any], arguments: Arguments) -> Any:
    """Call `function` without blocking the loop: in a thread if it is sync, with the context variables.

    A function that yields results in the list of what it yields.
    """
    positional, named = arguments
    if is_async(function):
        return await function(*positional, **named)
    if yields(function):
        async with aclosing(items(function, positional, named)) as produced:
            return [item async for item in produced]
    result = await _called_in_thread(function, arguments)
    return await result if inspect.isawaitable(result) else result


async def _called_in_thread(function: Callable[..., Any], arguments: Arguments) -> Any:
    positional, named = arguments
    try:
        return await in_thread(function, *positional, **named)
    except RuntimeError as error:
        if not str(error).startswith(_NO_LOOP):
            raise
        name = getattr(function, "__name__", type(function).__name__)
        raise ContextError(
            f"{name} is not async, so it runs in a thread, where asyncio has no event loop ({error}); write `async def`, "
            "or hand over what it makes, such as `asyncio.gather(...)` itself"
        ) from error


def is_async(function: Callable[..., Any]) -> bool:
    """Tell whether calling `function` gives something to await at once."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(type(function), "__call__", None),  # noqa: B004 - asks what kind of call it is
    )


async def run_work(work: Any, arguments: tuple[Any, ...] = ()) -> Any:
    """Run what a step was given, once.

    What it sets in context variables is its own: replay, in which it does not run, could not repeat that.

    Raises:
        TypeError: If it is a plain value; see `check_work`.
    """
    return await apart(_run_work(work, arguments))


async def _run_work(work: Any, arguments: tuple[Any, ...]) -> Any:
    if is_awaitable(work):
        return await cast("Awaitable[Any]", work)
    return await call(work, Arguments(arguments, {}))


def check_work(name: str, work: Any, arguments: tuple[Any, ...]) -> None:
    """Refuse a step that cannot be run.

    Raises:
        ConfigurationError: If its name is none.
        TypeError: If `work` is a plain value, whose side effect has happened already, or a task that has begun, or
            an awaitable that is given arguments.
    """
    named("step", name)
    if is_awaitable(work):
        if arguments:
            discard_work(work)
            raise TypeError(f"step {name!r}: arguments go to a function; this is something to await already")
        if begun_tasks(work):
            raise TypeError(
                f"step {name!r} was given a task that has begun: it would run again in each replay; pass the function "
                "and its arguments, a coroutine, or tasks that are made where they are given to the step"
            )
        return
    if not callable(work):
        raise TypeError(
            f"step {name!r} was given a {type(work).__name__}: it was computed before the step began, so it cannot "
            "be replayed; pass the function and its arguments, or a coroutine",
        )


def is_awaitable(work: Any) -> bool:
    """Tell whether `work` can be awaited, and so be run only once."""
    return inspect.isawaitable(work)


_result_types: "WeakKeyDictionary[Any, Any]" = WeakKeyDictionary()


def result_type_of(work: Any) -> Any:
    """Tell as what the JSON of a step's result is read; Any where nothing says it."""
    if isinstance(work, Discardable):
        return work.result_type
    if not callable(work) or "return" not in getattr(work, "__annotations__", {}):
        return Any
    if work not in _result_types:
        _result_types[work] = _annotated_result(work)
    return _result_types[work]


def _annotated_result(work: Callable[..., Any]) -> Any:
    try:
        return result_type(work, hints_of(work))
    except RegistrationError:
        return Any
