"""What names no broker is refused where it is written."""

import pytest

from towpath import Client
from towpath.errors import ConfigurationError


@pytest.mark.parametrize(
    "url", ["nats://:99999", "nats://", "nats://localhost:port", "nats://localhost:99999", "", "nats://[::1"]
)
def test_a_url_that_names_no_broker_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="names no broker; write its URL as nats://"):
        Client(url)


@pytest.mark.parametrize("url", ["nats://localhost", "localhost:4222", "tls://me:secret@[::1]:4222"])
def test_a_url_that_names_one_is_taken(url: str) -> None:
    Client(url)
