"""Tells whether what concurrent callers saw can have happened one after the other, each between its call and its answer.

A `history.Operation` is one call as its caller saw it, a `models.Model` says what a thing does when nobody else is
there, and `checking.fault_in` looks for an order of the operations that the model explains.
"""
