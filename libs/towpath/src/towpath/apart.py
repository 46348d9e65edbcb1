"""Runs code whose changes of context variables are its own, like those of a task, in the task that awaits it."""

from collections.abc import Coroutine, Generator
from contextvars import copy_context
from types import coroutine
from typing import Any, TypeVar

T = TypeVar("T")


@coroutine
def apart(code: Coroutine[Any, Any, T]) -> Generator[Any, Any, T]:
    """Await code with a copy of the context variables: what it sets, nobody else sees."""
    context = copy_context()
    try:
        awaited = context.run(code.send, None)
        while True:
            try:
                sent = yield awaited
            except GeneratorExit:
                context.run(code.close)
                raise
            except BaseException as error:  # noqa: BLE001 - the code's own to deal with
                awaited = context.run(code.throw, error)
            else:
                awaited = context.run(code.send, sent)
    except StopIteration as ended:
        return ended.value
