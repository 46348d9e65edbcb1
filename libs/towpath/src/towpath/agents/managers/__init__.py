"""Conversation managers: what becomes of a history that grows beyond what a model can read."""
