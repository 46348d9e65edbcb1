"""A model of Redis for simulations, at the level of its wire protocol: the commands and scripts that are used here."""

from towpath_testkit.redis_model.server import RedisServer as RedisServer
from towpath_testkit.redis_model.store import Store as Store
