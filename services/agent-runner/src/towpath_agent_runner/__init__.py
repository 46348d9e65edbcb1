"""Runs workflows, agents and entity methods, one journaled step at a time."""
