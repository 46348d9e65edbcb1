"""Tools of this process, for programs of others."""
