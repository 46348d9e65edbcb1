"""Where code runs that nobody has read: within limits, apart from everything else."""
