"""The durable engine: what a run's journal means, with no broker inside. `towpath.runtime` hosts it on NATS."""
