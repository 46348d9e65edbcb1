"""Models of OpenAI, and of all servers that speak as it does: the one door to the client library `openai`."""

from towpath.models.openai.model import OpenAIModel

__all__ = ["OpenAIModel"]
