"""Memories: their log, brought into Qdrant, where they are searched; and erased from both."""
