"""The `towpath` command: run a whole platform on a laptop, and look into any other."""
