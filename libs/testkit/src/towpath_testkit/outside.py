"""What is outside of a run, which its attempts fail for: it keeps what was tried and done there."""

from towpath import Context


class World:
    """What is outside: it fails as often as it is told, and keeps what was done to it."""

    def __init__(self, failures: int = 2) -> None:
        self._failures = failures
        self.reset()

    def reset(self) -> None:
        """Be as it was."""
        self.failures = self._failures
        self.attempts: list[int] = []
        self.done: list[str] = []

    def try_(self, ctx: Context) -> None:
        """Fail, until it has failed often enough; what is killed on the way has not failed yet."""
        self.attempts.append(ctx.attempt)
        if ctx.attempt <= self.failures:
            raise ConnectionError(f"attempt {ctx.attempt}")

    def do(self, what: str) -> str:
        """Do something."""
        self.done.append(what)
        return what
