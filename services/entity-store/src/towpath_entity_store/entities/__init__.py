"""Entities: mailboxes, turns, logs, and the copies of states in Redis."""
