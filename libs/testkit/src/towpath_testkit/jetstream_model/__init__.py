"""A model of one NATS server with JetStream, in memory and in virtual time, for simulations without a server.

It speaks NATS's own protocol over `simulated_network`, so the chassis, FastStream and nats-py run on it as they are.
It knows what the platform uses and refuses, loudly, what it does not know (`NotModelledError`); a differential test
holds it against the real server (tests/integration/jetstream_model).
"""

from towpath_testkit.jetstream_model.broker import Broker as Broker
from towpath_testkit.jetstream_model.refusals import NotModelledError as NotModelledError
