"""Owns the state of entities and memories: the only door to Redis and Qdrant."""
