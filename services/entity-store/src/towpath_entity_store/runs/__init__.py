"""The index of runs: what lists need, folded from the audit stream into Redis."""
