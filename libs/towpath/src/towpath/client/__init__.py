"""Talking to a platform from outside: start runs, wait for them, look at them, follow what they do."""

from towpath.client.client import Client
from towpath.client.output import Chunk

__all__ = ["Chunk", "Client"]
