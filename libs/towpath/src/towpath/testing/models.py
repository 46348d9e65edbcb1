"""Models in a test: scripts that remember what they were asked, and a guard against real ones."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager

from towpath.errors import ConfigurationError, ModelError
from towpath.failures import model_error
from towpath.models import standing_in
from towpath.models.permission import refusing_real_models
from towpath.models.port import LanguageModel, ModelReply, ModelRequest
from towpath.models.scripted import Answering, BrokenOff, Entry, ScriptedModel
from towpath_schemas.failure import Failure, FailureCode

_PASSING = frozenset({"model_error", "model_throttled", "model_timeout"})
_REMEDY = "this test allows none; give no_real_models a double of that name"


class RecordedModel(ScriptedModel):
    """A scripted model that remembers what it was asked.

    Attributes:
        requests: What it was asked, in order; what a crash made be asked again is there again.
    """

    def __init__(self, name: str, entries: Sequence[Entry] | Answering, delay_s: float) -> None:
        super().__init__(name, entries, delay_s)
        self.requests: list[ModelRequest] = []

    async def _said(self, request: ModelRequest) -> ModelReply | BrokenOff:
        self.requests.append(request)
        return await super()._said(request)


class FunctionModel(RecordedModel):
    """A model that a function is: it is asked at every turn, and remembers what it was asked.

    Args:
        function: Makes of the request text, a `tool_call(...)` or several, a whole `ModelReply`, or an error to raise;
            sync or async. Where runs are replayed or crashed, what it says must follow from the request alone.
        name: What it is called in journals, behind `test/`.
        delay_s: Seconds each reply takes.
    """

    def __init__(self, function: Answering, *, name: str = "function", delay_s: float = 0) -> None:
        super().__init__(name, function, delay_s)


def scripted(*replies: Entry, name: str = "scripted", delay_s: float = 0) -> RecordedModel:
    """Make a model that says what it is told to, turn by turn.

    It keeps nothing of a conversation, so any number of runs may use it, and a crash cannot change what it says.

    Args:
        *replies: Text, a `tool_call(...)` or several, a whole `ModelReply`, a `fault(...)` or another error to raise,
            `broken_off(...)`, or a function, sync or async, that makes any of these of the request.
        name: What it is called in journals, behind `test/`.
        delay_s: Seconds each reply takes.
    """
    return RecordedModel(name, replies, delay_s)


def fault(
    code: FailureCode = "model_error",
    message: str = "the test wants it so",
    *,
    retryable: bool | None = None,
    retry_after_s: float | None = None,
) -> ModelError:
    """Make the error of a provider, for a script: `scripted(fault("model_throttled", retry_after_s=2), "Hello")`.

    Args:
        code: What kind it is; the error is of the class that belongs to it, such as `ModelThrottledError`.
        message: What it says.
        retryable: Whether trying again may help; if not given, as with real providers.
        retry_after_s: Seconds to wait first.
    """
    may_pass = code in _PASSING if retryable is None else retryable
    return model_error(Failure(code=code, message=message, retryable=may_pass, retry_after_s=retry_after_s))


def broken_off(text: str, error: BaseException | None = None) -> BrokenOff:
    """Make an answer that ends after `text`, for a script: by an error, or else a lost connection."""
    return BrokenOff(text, error or fault(message="the connection was lost"))


@contextmanager
def no_real_models(doubles: Mapping[str, LanguageModel] | None = None) -> Generator[None]:
    """Refuse every model that would call a provider, however it was made, until the end of the block.

    Setting TOWPATH_NO_REAL_MODELS does so for a whole process.

    Args:
        doubles: What stands in for models, by name: `{"openai/gpt-4o-mini": scripted("Hello")}`.

    Raises (where a real model is asked):
        ConfigurationError: The message names the model.
    """
    known = doubles or {}

    def double(name: str) -> LanguageModel | None:
        if name not in known and not name.startswith("test/"):
            raise ConfigurationError(f"{name} is a real model, and {_REMEDY}")
        return known.get(name)

    with standing_in(double), refusing_real_models(_REMEDY):
        yield
