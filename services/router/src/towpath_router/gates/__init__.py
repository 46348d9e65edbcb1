"""Gates: each is one limit at work, of one tenant, one component or pool, and one value of a key."""
