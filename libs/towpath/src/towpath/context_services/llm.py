"""`ctx.llm`: asking a language model from any component; each call is one journaled act."""

from collections.abc import Callable, Coroutine, Iterable
from typing import Any, NamedTuple, Protocol

from towpath.context_services.answers import AnswerForm, Format, answer_form, unfit
from towpath.context_services.llm_stream import LLMStream
from towpath.context_services.tool_registry import ToolRegistry
from towpath.models import resolve
from towpath.models.port import LanguageModel, Message, ModelReply, ModelRequest, ToolSpec
from towpath.models.prompts import Prompt, messages_of
from towpath.models.redacting import heard_model

_CORRECTIONS = 1
"""How often a model is told what is wrong with the form of its answer, and asked again."""


class Asking(Protocol):
    """What asking a model needs of a context."""

    @property
    def tools(self) -> ToolRegistry:
        """The tools of the invocation."""
        ...

    @property
    def on_platform(self) -> bool:
        """Whether a runner executes the code."""
        ...

    def remember(self, name: str, read: Callable[[], Any]) -> Any:
        """Read a setting, once."""
        ...

    def invoke_model(self, model: LanguageModel, request: ModelRequest) -> Coroutine[Any, Any, ModelReply]:
        """Make one model call as one act."""
        ...


class LLMResponse(ModelReply):
    """What a model answered.

    Attributes:
        text: Its text.
        object: What the text says, where JSON was asked for: JSON, or an instance of the type that was given.
        tool_calls: The tools it asks for; `ctx.tools.handler(call.name)(**call.arguments)` does it.
        model: Who answered, as `provider/model`.
    """

    object: Any = None
    model: str

    @property
    def parsed(self) -> Any:
        """The same as `object`."""
        return self.object


class Question(NamedTuple):
    """What is asked of whom, and in which form it is to be answered."""

    model: LanguageModel
    request: ModelRequest
    form: AnswerForm | None

    def response(self, reply: ModelReply) -> LLMResponse:
        """Read the answer.

        Raises:
            ValueError: If it does not have the form that was asked for.
        """
        wanted = self.form is not None and not reply.tool_calls
        said = self.form.read(reply.text) if self.form is not None and wanted else None
        fields = {name: getattr(reply, name) for name in ModelReply.model_fields if name != "pieces"}
        return LLMResponse(**fields, object=said, model=self.model.name)

    def corrected(self, reply: ModelReply, problem: str) -> "Question":
        """Ask again, saying what is wrong with an answer."""
        correction = Message(role="user", content=f"That is not as asked: {problem}. Answer again.")
        messages = (*self.request.messages, reply.as_message(), correction)
        return self._replace(request=self.request.model_copy(update={"messages": messages}))


class LLM:
    """Asks language models on behalf of a component."""

    def __init__(self, context: Asking) -> None:
        self._context = context

    def generate(
        self,
        prompt: Prompt = None,
        *,
        messages: Prompt = None,
        model: str | LanguageModel | None = None,
        tools: Iterable[Any] = (),
        tool_choice: str | None = None,
        response_format: Format | None = None,
        schema: Any = None,
        system: str | None = None,
        temperature: float | None = None,
        max_tokens: int | None = None,
    ) -> Coroutine[Any, Any, LLMResponse]:
        """Ask a model and wait for its whole answer.

        An answer that does not fit `schema` is sent back once, with what is wrong with it: an act of its own.

        Args:
            prompt: Text, or messages as mappings of `role` and `content`; or a list of text and `Image`s.
            messages: The conversation so far, before the prompt.
            model: `provider/model`; a name without a provider is the default one's, none is the default model.
            tools: What the model may ask for: tools, and functions of which tools are made.
            tool_choice: "auto", "any" (it must ask for one), "none", or the name of the tool it must ask for.
            response_format: `json` for an answer that is read into `.object`.
            schema: What the JSON is to be: a JSON Schema, of which the model is told, or a type, such as a pydantic
                model, which also checks the answer.
            system: The system prompt.
            temperature: How freely it answers; None leaves it to the provider.
            max_tokens: How long the answer may be; None leaves it to the provider.

        Raises:
            ModelError: If the provider refused or failed for good, or the answer has another form.
            ConfigurationError: If the model is not known.
            TypeError: If nothing is asked.
        """
        form = answer_form(response_format, schema)
        question = self._question(
            (*messages_of(messages), *messages_of(prompt)),
            model,
            form,
            tools=tools,
            tool_choice=tool_choice,
            system=system,
            temperature=temperature,
            max_tokens=max_tokens,
        )
        return self._answered(question, self._asked(question))

    def stream(
        self,
        prompt: Prompt = None,
        *,
        messages: Prompt = None,
        model: str | LanguageModel | None = None,
        tools: Iterable[Any] = (),
        tool_choice: str | None = None,
        system: str | None = None,
        temperature: float | None = None,
        max_tokens: int | None = None,
    ) -> LLMStream[LLMResponse]:
        """Ask a model and hear it while it answers: `async for chunk in ctx.llm.stream(...)`, with or without `await`.

        Args:
            prompt: Text, or messages as mappings of `role` and `content`.
            messages: The conversation so far, before the prompt.
            model: As in `generate`.
            tools: As in `generate`; what the model asks for is in the last chunk's response.
            tool_choice: As in `generate`.
            system: The system prompt.
            temperature: How freely it answers.
            max_tokens: How long the answer may be.

        Raises:
            ConfigurationError: If the model is not known.
            TypeError: If nothing is asked.
        """
        question = self._question(
            (*messages_of(messages), *messages_of(prompt)),
            model,
            tools=tools,
            tool_choice=tool_choice,
            system=system,
            temperature=temperature,
            max_tokens=max_tokens,
        )
        model = heard_model(question.model, self._context)
        return LLMStream(self._context.invoke_model, model, question.request, question.response)

    def _question(
        self,
        messages: tuple[Message, ...],
        model: str | LanguageModel | None,
        form: AnswerForm | None = None,
        *,
        tools: Iterable[Any],
        system: str | None,
        **wishes: Any,
    ) -> Question:
        if not messages:
            raise TypeError("nothing is asked; give a prompt, or messages")
        told = [text for text in (system, form and form.instruction) if text]
        request = ModelRequest.model_validate(
            {
                "messages": messages,
                "tools": tuple(map(ToolSpec.of, self._context.tools.offer(tools))),
                "system": "\n\n".join(told) or None,
                "answer_schema": form and form.schema,
                **wishes,
            }
        )
        return Question(self._model(model), request, form)

    def _model(self, model: str | LanguageModel | None) -> LanguageModel:
        """Find the model; which one is the default is a setting, and replay repeats it."""
        if model is None or (isinstance(model, str) and "/" not in model):
            return resolve(self._context.remember(f"model:{model or ''}", lambda: resolve(model).name))
        return resolve(model)

    def _asked(self, question: Question) -> Coroutine[Any, Any, ModelReply]:
        return self._context.invoke_model(question.model, question.request)

    async def _answered(self, question: Question, asked: Coroutine[Any, Any, ModelReply]) -> LLMResponse:
        reply = await asked
        for _ in range(_CORRECTIONS):
            try:
                return question.response(reply)
            except ValueError as error:
                question = question.corrected(reply, str(error))
                reply = await self._asked(question)
        try:
            return question.response(reply)
        except ValueError as error:
            raise unfit(question.model.name, str(error), reply.stop_reason) from error
