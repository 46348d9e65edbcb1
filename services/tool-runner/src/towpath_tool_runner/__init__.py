"""Runs functions and tools, and answers the run that called them."""
