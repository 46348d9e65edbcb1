"""Servers from wheels, builders and conformance suites for the tests of Towpath itself."""
