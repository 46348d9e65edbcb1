"""Models in a test: scripts that remember what they were asked, and a guard against real ones."""

from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import contextmanager

from towpath.errors import ConfigurationError
from towpath.models import standing_in
from towpath.models.port import LanguageModel, ModelReply, ModelRequest
from towpath.models.scripted import Entry, ScriptedModel


class RecordedModel:
    """A scripted model that remembers what it was asked.

    Attributes:
        requests: What it was asked, in order; what a crash made be asked again is there again.
    """

    def __init__(self, script: ScriptedModel) -> None:
        self.requests: list[ModelRequest] = []
        self._script = script

    @property
    def name(self) -> str:
        """`test/<name>`."""
        return self._script.name

    async def generate(self, request: ModelRequest) -> ModelReply:
        """Say what the script says at this turn.

        Raises:
            ModelError: If the script has no such turn.
        """
        self.requests.append(request)
        return await self._script.generate(request)

    async def stream(self, request: ModelRequest) -> AsyncGenerator[str | ModelReply]:
        """Say the same word by word.

        Raises:
            ModelError: If the script has no such turn.
        """
        self.requests.append(request)
        async for piece in self._script.stream(request):
            yield piece


def scripted(*replies: Entry, name: str = "scripted", delay_s: float = 0) -> RecordedModel:
    """Make a model that says what it is told to, turn by turn.

    It keeps nothing of a conversation, so any number of runs may use it, and a crash cannot change what it says.

    Args:
        *replies: Text, a `tool_call(...)` or several, a whole `ModelReply`, an error to raise, or a function that makes
            any of these of the request.
        name: What it is called in journals, behind `test/`.
        delay_s: Seconds each reply takes.
    """
    return RecordedModel(ScriptedModel(name, replies, delay_s))


@contextmanager
def no_real_models(doubles: Mapping[str, LanguageModel] | None = None) -> Generator[None]:
    """Refuse every model by name that would call a provider, until the end of the block.

    Args:
        doubles: What stands in for models, by name: `{"openai/gpt-4o-mini": scripted("Hello")}`.

    Raises (where a real model is asked):
        ConfigurationError: The message names the model.
    """
    known = doubles or {}

    def double(name: str) -> LanguageModel | None:
        if name not in known and not name.startswith("test/"):
            raise ConfigurationError(
                f"{name} is a real model, and this test allows none; give no_real_models a double of that name"
            )
        return known.get(name)

    with standing_in(double):
        yield
