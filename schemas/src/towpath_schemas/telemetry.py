"""The names of attributes by which traces, metrics and logs of all parts can be brought together."""

RUN_ID = "towpath.run.id"
COMPONENT = "towpath.component"
COMPONENT_TYPE = "towpath.component.type"
KEY = "towpath.key"
TENANT = "towpath.tenant"

USER_CODE = "towpath.user"
"""The scope under which user code records metrics and spans of its own."""

OPERATION = "gen_ai.operation.name"
AGENT_NAME = "gen_ai.agent.name"
MODEL_NAME = "gen_ai.request.model"
TOOL_NAME = "gen_ai.tool.name"
TOOL_CALL_ID = "gen_ai.tool.call.id"
FINISH_REASON = "gen_ai.response.finish_reasons"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
