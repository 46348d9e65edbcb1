"""Keeps what user code raises from ending more than that code: the process, the loop, or our own bookkeeping.

Python has errors that no `except Exception` hears of: attempts to exit, and whatever native code makes of its panics.
Of these only two are meant for us: that the code is cancelled, and that its run goes on as a new one.
"""

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

from towpath.around import Around, Code
from towpath.errors import ContinuedAsNewError
from towpath.failures import escaped
from towpath.groups import ungrouped

T = TypeVar("T")


async def contained(work: Awaitable[T]) -> T:
    """Await user code; whatever it raises that is no `Exception`, and a cancellation that nobody asked for, are errors.

    Raises:
        ContinuedAsNewError: If the run goes on as a new one, also where a group of tasks was told so.
        NonRetryableError: In place of the others.
    """
    task = asyncio.current_task()
    try:
        return await ungrouped(work)
    except (Exception, ContinuedAsNewError):
        raise
    except asyncio.CancelledError as error:
        if task is None or task.cancelling():
            raise
        raise escaped(error) from error
    except GeneratorExit as error:
        if asyncio.current_task() is not task:  # it is dropped, and did not raise this
            raise
        raise escaped(error) from error
    except BaseException as error:
        raise escaped(error) from error


class Branch(Around[Any]):
    """The code of a task that user code has started: what it raises ends that task, not the loop it runs in."""

    __slots__ = ("__name__",)

    def __init__(self, code: Code[Any]) -> None:
        super().__init__(code)
        self.__name__ = getattr(code, "__name__", type(code).__name__)  # for logs

    def send(self, value: Any, /) -> Any:
        """Go on with the code."""
        try:
            return self.code.send(value)
        except _OURS:
            raise
        except BaseException as error:
            raise escaped(error) from error

    def throw(self, *error: Any) -> Any:
        """Go on with the code, which hears of an error."""
        try:
            return self.code.throw(*error)
        except _OURS:
            raise
        except BaseException as raised:
            raise escaped(raised) from raised


_OURS = (Exception, asyncio.CancelledError, ContinuedAsNewError, BaseExceptionGroup)
