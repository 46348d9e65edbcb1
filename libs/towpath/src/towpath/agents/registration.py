"""Agents as components: what the platform knows of one that has a name, and how it runs it."""

from typing import Any

from towpath.agents.result import AgentResult
from towpath.components import REGISTRY, Component, ComponentType
from towpath.definitions import MARK
from towpath.retry import ONCE
from towpath.schema import CallableSchema, schema_of
from towpath.sessions.session import Session


def register(agent: Any, name: str) -> None:
    """Make an agent a component."""

    async def execute(context: Any, payload: Any) -> AgentResult:
        return await _execute(agent, context, payload)

    component = Component(
        name=name,
        kind=ComponentType.AGENT,
        execute=execute,
        description=agent.description,
        input_schema=_INPUT.input_schema,
        parameters=_INPUT.parameters.names,
        output_schema=AgentResult.model_json_schema(mode="serialization"),
        output_type=AgentResult,
        retry=ONCE,
        source=agent,
        limits=agent.limits,
    )
    setattr(agent, MARK, component)
    REGISTRY.offer(component)


async def _execute(agent: Any, context: Any, payload: Any) -> AgentResult:
    """Run as a component.

    The payload is a prompt, or an object with a `prompt` or a `message`, and a `session_id` if it is to speak in
    that session; `user_id` and `app_name` tell whose it is where the run has no user, or the session is new.
    """
    match payload:
        case {"message": str() as prompt, **others} if "prompt" not in others:
            payload = {**others, "prompt": prompt}
        case str():
            payload = {"prompt": payload}
        case _:
            pass
    asked = _INPUT.bind(payload).named
    run = agent.run(asked["prompt"], session=_session(context, **asked))
    run.is_component = run.inbox.from_outside = True
    return await run


def _session(
    context: Any,
    session_id: str | None = None,
    user_id: str | None = None,
    app_name: str | None = None,
    **_prompt: Any,
) -> Session | None:
    if session_id is None:
        return None
    return Session(session_id, app_name=app_name, user_id=user_id or context.attribution.user_id)


def _input() -> CallableSchema:
    def agent(
        prompt: str, session_id: str | None = None, user_id: str | None = None, app_name: str | None = None
    ) -> None: ...

    return schema_of(agent)


_INPUT = _input()
