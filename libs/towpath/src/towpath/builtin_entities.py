"""Types of entity that come with Towpath: every process has them, whatever its registry holds.

Their names begin with `towpath.`, as nobody else's may. To add one, make it with `towpath.entities.builtin_entity` and
write here which module does: it is imported when the type is first asked for.
"""

PREFIX = "towpath."
"""What names of built-in types begin with."""

MODULES = {
    "towpath.Budget": "towpath.agents.budget_entity",
    "towpath.Memory": "towpath.remembering.entity",
    "towpath.Session": "towpath.sessions.entities",
    "towpath.SessionState": "towpath.sessions.entities",
    "towpath.object-key": "towpath.flows.locking",
}
"""Where each built-in type is made."""
