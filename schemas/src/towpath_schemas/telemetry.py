"""The names of attributes by which traces, metrics and logs of all parts can be brought together."""

RUN_ID = "towpath.run.id"
COMPONENT = "towpath.component"
COMPONENT_TYPE = "towpath.component.type"
KEY = "towpath.key"
TENANT = "towpath.tenant"

USER_CODE = "towpath.user"
"""The scope under which user code records metrics and spans of its own."""
