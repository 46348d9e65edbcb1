"""Flows: workflows that are written down as steps and what each waits for, instead of as code."""
