"""Code that is put around other code, and shows of it what Python shows of a coroutine: libraries look at that."""

from collections.abc import Coroutine, Generator
from types import CodeType, FrameType
from typing import Any, TypeVar, cast

T = TypeVar("T")
Code = Coroutine[Any, Any, T] | Generator[Any, Any, T]


class Around(Coroutine[Any, Any, T], Generator[Any, Any, T]):
    """Code around other code; by itself it changes nothing.

    A class, since a coroutine around it would leave it unawaited where its task is cancelled before it begins.

    Attributes:
        code: The other code.
    """

    __slots__ = ("code",)

    def __init__(self, code: Code[T]) -> None:
        self.code = code

    def send(self, value: Any, /) -> Any:
        """Go on with the code."""
        return self.code.send(value)

    def throw(self, *error: Any) -> Any:
        """Go on with the code, which hears of an error."""
        return self.code.throw(*error)

    def close(self) -> None:
        """Drop the code."""
        self.code.close()

    def __await__(self) -> "Around[T]":
        """Return what is awaited: itself."""
        return self

    @property
    def cr_running(self) -> bool:
        """Whether the code runs now."""
        return bool(_shown(self.code, "running"))

    @property
    def cr_suspended(self) -> bool:
        """Whether it has begun and waits."""
        return bool(_shown(self.code, "suspended"))

    @property
    def cr_frame(self) -> FrameType | None:
        """Where it is; None if it has ended."""
        frame: FrameType | None = _shown(self.code, "frame")
        return frame

    @property
    def cr_code(self) -> CodeType | None:
        """What it is compiled from."""
        code: CodeType | None = _shown(self.code, "code")
        return code

    @property
    def cr_await(self) -> Any:
        """What it awaits."""
        return _shown(self.code, "await") or _shown(self.code, "yieldfrom")


def innermost(code: Any) -> Any:
    """Return what others are put around."""
    inner: Any = code
    while isinstance(inner, Around):
        inner = cast("Around[Any]", inner).code
    return inner


def _shown(code: Any, what: str) -> Any:
    """Return what a coroutine, or a generator, shows of itself."""
    return getattr(code, f"cr_{what}", None) or getattr(code, f"gi_{what}", None)
