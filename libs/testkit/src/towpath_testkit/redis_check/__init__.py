"""Holds the model of Redis against a real server: the same random commands to both."""
