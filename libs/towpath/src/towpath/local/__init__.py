"""Running components in this process: nothing is journaled, nothing but Python is needed."""

from towpath.local.entity_store import EntityStore
from towpath.local.local_context import LocalContext
from towpath.local.running import run

__all__ = ["EntityStore", "LocalContext", "run"]
