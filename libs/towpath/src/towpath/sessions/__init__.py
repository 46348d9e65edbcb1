"""Sessions: conversations that several agents and runs share, with state of several scopes."""
