"""User code of the agent's crash-point tests: a conversation of ten tool calls, and the world it changes."""

from journey import effect

from towpath_testkit.expedition import leader

__all__ = ["lead"]

lead = leader(effect)
