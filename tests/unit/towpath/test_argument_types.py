"""What constructors say of arguments that cannot be: which one, what it is, and what to give."""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, Protocol

import pytest
from hypothesis import given, strategies as st

from towpath import (
    Agent,
    AgentTool,
    Budget,
    Guardrail,
    HostedTool,
    LanguageModel,
    MCPTool,
    Memory,
    OpenAPITool,
    Session,
    SlidingWindowConversationManager,
    SummarizingConversationManager,
    Tool,
)
from towpath.agents.retrying import ModelRetryStrategy
from towpath.agents.session_managers.files import FileSessionManager
from towpath.argument_types import check_arguments
from towpath.errors import ConfigurationError
from towpath.models.openai import OpenAIModel


def handler(a: int) -> int:
    return a


class Answers(Protocol):
    @property
    def name(self) -> str: ...

    def answer(self) -> str: ...


class Answering:
    @property
    def name(self) -> str:
        raise AssertionError("nobody needs to know")

    def answer(self) -> str:
        return "yes"


class Made:
    """Something.

    Args:
        count: How many there are.
    """

    @check_arguments
    def __init__(
        self,
        count: int = 1,
        ratio: float = 0.5,
        kind: Literal["small", "large"] = "small",
        *,
        names: Sequence[str] = (),
        sizes: Mapping[str, int] | None = None,
        answers: Answers | None = None,
        call: Callable[..., Any] | None = None,
        of: type[Exception] = Exception,
        anything: Any = None,
    ) -> None:
        self.given = (count, ratio, kind, names, sizes, answers, call, of, anything)


# --- What agents, tools and the rest refuse ---------------------------------------------------------------------------

NOTHING: Any = object()

AGENT: list[tuple[dict[str, Any], str]] = [
    ({"tools": "abc"}, "tools is 'abc' (text); give a list or None"),
    ({"tools": {}}, "tools is of type dict; give a list"),
    ({"tools": handler}, "tools is of type function; give a list"),
    ({"model": 3}, "model is 3 (int); give text, a LanguageModel or None"),
    ({"model": LanguageModel}, "model is the class LanguageModel; give text, a LanguageModel"),
    ({"name": 7}, "name is 7 (int); give text or None"),
    ({"description": 7}, "description is 7"),
    ({"agent_id": 7}, "agent_id is 7"),
    ({"messages": {}}, "messages is of type dict; give a list (each a mapping or a Message) or None"),
    ({"messages": [1]}, "messages[0] is 1 (int); give a mapping or a Message"),
    (
        {"messages": [{"content": [{"text": "hi"}]}]},
        "messages[0]: a message is a mapping of role and content",
    ),
    ({"messages": [{"role": "boss", "content": []}]}, "messages[0]: role: Input should be 'system', 'user'"),
    ({"messages": [{"role": "user", "content": [5]}]}, "messages[0]: a prompt holds text; int is not"),
    ({"hooks": [NOTHING]}, "hooks[0] is of type object; give a HookProvider or a function"),
    ({"hooks": handler}, "hooks is of type function; give a list"),
    ({"plugins": [5]}, "plugins[0] is 5 (int); give a Plugin"),
    ({"max_iterations": "4"}, "max_iterations is '4' (text); give a whole number or None"),
    ({"max_iterations": True}, "max_iterations is True (bool); give a whole number"),
    ({"tool_executor": "x"}, "tool_executor is 'x' (text); give a ToolExecutor or None"),
    ({"callback_handler": 3}, "callback_handler is 3 (int); give a function or None"),
    ({"conversation_manager": 5}, "conversation_manager is 5 (int); give a ConversationManager or None"),
    ({"session_manager": 5}, "session_manager takes a Session, or a SessionManager such as"),
    ({"session": 5}, "session_manager takes a Session, or a SessionManager such as"),
    ({"retry_strategy": 5}, "retry_strategy is 5; give a ModelRetryStrategy or a RetryPolicy, or None"),
    ({"structured_output_model": dict}, "is the class dict; give a class derived from BaseModel or None"),
    ({"structured_output_prompt": 3}, "structured_output_prompt is 3 (int); give text or None"),
    ({"state": NOTHING}, "state is of type object; give an AgentState, a mapping or None"),
    ({"limits": "x"}, "limits is 'x' (text); give a list"),
    ({"limits": [NOTHING]}, "limits[0] is of type object; give a Concurrency"),
    ({"system_prompt": 3}, "system_prompt is 3 (int); give text, a list (each a mapping) or None"),
    ({"instructions": [3]}, "instructions[0] is 3 (int); give a mapping"),
    ({"memory": 3}, "memory is 3 (int); give a Memory or None"),
    ({"handoffs": [3]}, "handoffs[0] is 3 (int); give an Agent"),
    ({"trace_attributes": 3}, "trace_attributes is 3 (int); give a mapping or None"),
    ({"record_direct_tool_call": "yes"}, "record_direct_tool_call is 'yes' (text); give True or False"),
    ({"concurrent_invocation_mode": 3}, "give text or a ConcurrentInvocationMode"),
]


@pytest.mark.parametrize(
    ("arguments", "said"),
    AGENT,
    ids=[f"{number}-{next(iter(given))}" for number, (given, _) in enumerate(AGENT)],
)
def test_an_agent_says_which_argument_cannot_be_and_what_it_takes(
    arguments: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        Agent(**arguments)

    assert said in str(refused.value)
    assert isinstance(refused.value, ValueError)


TOOL = {"name": "find", "description": "Finds.", "input_schema": None, "handler": handler}
HOSTED = {"name": "find", "description": "Finds.", "endpoint": "towpath://shop/find"}


@pytest.mark.parametrize(
    ("make", "arguments", "said"),
    [
        (Tool, {**TOOL, "name": 3}, "Tool(name=...): name is 3 (int); give text."),
        (Tool, {**TOOL, "description": None}, "description is None (NoneType); give text."),
        (Tool, {**TOOL, "input_schema": 3}, "input_schema is 3 (int); give a mapping or None"),
        (Tool, {**TOOL, "handler": 3}, "handler is 3 (int); give a function"),
        (Tool, {**TOOL, "retry": 3}, "retry is 3 (int); give a RetryPolicy"),
        (Tool, {**TOOL, "timeout_s": "1"}, "timeout_s is '1' (text); give a number or None"),
        (Tool, {**TOOL, "confirmation": "yes"}, "give True or False or a Confirmation"),
        (AgentTool, {"target_agent": 3}, "AgentTool(target_agent=...): target_agent is 3 (int)"),
        (AgentTool, {"target_agent": Agent}, "target_agent is the class Agent"),
        (HostedTool, {**HOSTED, "endpoint": 3}, "HostedTool(endpoint=...): endpoint is 3 (int); give text"),
        (HostedTool, {**HOSTED, "input_schema": []}, "input_schema is of type list; give a mapping or None"),
        (MCPTool, {"name": 3}, "MCPTool(name=...): name is 3 (int); give text"),
        (MCPTool, {"name": "a", "command": "serve"}, "command is 'serve' (text); give a list (each text)"),
        (MCPTool, {"name": "a", "headers": {"X": 1}}, "headers['X'] is 1 (int); give text"),
        (OpenAPITool.from_spec, {"spec_url": 3}, "OpenAPITool.from_spec(spec_url=...): spec_url is 3 (int)"),
        (
            OpenAPITool.from_spec,
            {"spec_url": {}, "operations": "get"},
            "operations is 'get' (text); give a list",
        ),
        (Session, {"id": 3}, "Session(id=...): id is 3 (int); give text"),
        (Session, {"id": "a", "metadata": []}, "metadata is of type list; give a mapping or None"),
        (Memory, {"service": 3}, "Memory(service=...): service is 3 (int); give a MemoryService or None"),
        (Memory, {"recall_limit": "5"}, "recall_limit is '5' (text); give a whole number"),
        (Budget, {"tokens": "5"}, "Budget(tokens=...): tokens is '5' (text); give a whole number or None"),
        (Budget, {"tokens": 5, "name": 5}, "name is 5 (int); give text or None"),
        (Guardrail, {"before": 3}, "Guardrail(before=...): before is 3 (int); give a function or None"),
        (LanguageModel, {"model": 3}, "LanguageModel(model=...): model is 3 (int)"),
        (OpenAIModel, {"model": 3}, "OpenAIModel(model=...): model is 3 (int); give text"),
        (SlidingWindowConversationManager, {"window_size": "x"}, "window_size is 'x' (text); give a whole"),
        (
            SummarizingConversationManager,
            {"summary_ratio": "x"},
            "summary_ratio is 'x' (text); give a number",
        ),
        (ModelRetryStrategy, {"max_attempts": "x"}, "max_attempts is 'x' (text); give a whole number"),
        (FileSessionManager, {"session_id": 3}, "FileSessionManager(session_id=...): session_id is 3 (int)"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_other_constructors_say_so_too(
    make: Callable[..., Any], arguments: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        make(**arguments)

    assert said in str(refused.value)


# --- How arguments are held against annotations -----------------------------------------------------------------------


def refusal(*args: Any, **kwargs: Any) -> str:
    with pytest.raises(ConfigurationError) as refused:
        Made(*args, **kwargs)
    return str(refused.value)


def test_the_sentence_says_what_the_parameter_is_for() -> None:
    said = "Made(count=...): count is '2' (text); give a whole number. About count: How many there are."

    assert refusal("2") == said


def test_arguments_are_looked_at_by_position_and_by_name_and_in_what_they_hold() -> None:
    assert "ratio is 'x' (text); give a number" in refusal(1, "x")
    assert "give 'small' or 'large'" in refusal(kind="huge")
    assert "names is 'abc' (text); give a list (each text)" in refusal(names="abc")
    assert "names[1] is 2 (int); give text" in refusal(names=["a", 2])
    assert "sizes['a'] is 'b' (text); give a whole number" in refusal(sizes={"a": "b"})
    assert "of is the class int; give a class derived from Exception" in refusal(of=int)


def test_of_a_protocol_an_object_needs_the_methods_and_no_property_is_read() -> None:
    answering = Answering()

    assert Made(answers=answering).given[5] is answering
    assert "answers is the class Answering; give an Answers or None" in refusal(answers=Answering)
    assert "answers is of type PosixPath; give an Answers or None" in refusal(answers=Path())


def test_arguments_that_python_refuses_are_left_to_it() -> None:
    made: Any = Made

    with pytest.raises(TypeError, match="unexpected keyword argument 'size'"):
        made(size=1)
    with pytest.raises(TypeError, match="positional arguments"):
        made(1, 0.5, "small", "more")


def test_numbers_of_every_kind_are_numbers() -> None:
    third: Any = Fraction(1, 3)

    assert Made(ratio=1).given[1] == 1
    assert Made(ratio=third).given[1] == third


def test_values_that_may_hold_secrets_are_not_shown() -> None:
    assert "hunter2" not in refusal(names={"password": "hunter2"})


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "count": st.integers(),
            "ratio": st.floats() | st.integers(),
            "kind": st.sampled_from(["small", "large"]),
            "names": st.lists(st.text()) | st.tuples(st.text()),
            "sizes": st.none() | st.dictionaries(st.text(), st.integers()),
            "call": st.none() | st.just(print),
            "of": st.sampled_from([Exception, ValueError]),
            "anything": st.binary() | st.booleans() | st.none(),
        },
    )
)
def test_what_annotations_allow_is_given_on_as_it_is(arguments: dict[str, Any]) -> None:
    made = Made(**arguments)

    assert all(any(one is value for one in made.given) for value in arguments.values())
