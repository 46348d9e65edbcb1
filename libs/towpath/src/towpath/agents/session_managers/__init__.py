"""Session managers: what keeps an agent's conversation beyond the process."""
