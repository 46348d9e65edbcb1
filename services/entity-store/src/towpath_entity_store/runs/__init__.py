"""The index of runs: what lists and searches need, folded from the audit stream and the claims into Redis."""
