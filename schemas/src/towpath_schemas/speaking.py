"""How somebody speaks to the agent of a run while it works: by a signal."""

MESSAGE = "towpath.message"
"""The signal's name; its payload is the message."""
