"""Agents: a model with instructions and tools, and the loop that runs it."""
