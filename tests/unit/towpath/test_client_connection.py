"""What names no broker is refused where it is written."""

import math
from typing import Any

import pytest

from towpath import Client
from towpath.errors import ConfigurationError


@pytest.mark.parametrize(
    "url",
    [
        "nats://:99999",
        "nats://",
        "nats://localhost:port",
        "nats://localhost:99999",
        "",
        "nats://[::1",
        "redis://localhost:6379",
        None,
        5,
    ],
)
def test_a_url_that_names_no_broker_is_refused(url: Any) -> None:
    with pytest.raises(ConfigurationError, match="names no broker; write its URL as nats://"):
        Client(url)


@pytest.mark.parametrize("url", ["http://localhost:8080", "HTTPS://towpath.example"])
def test_the_door_of_other_programs_is_refused_with_what_to_write(url: str) -> None:
    with pytest.raises(
        ConfigurationError, match=r"other programs talk HTTP .* its broker, such as nats://127"
    ):
        Client(url)


@pytest.mark.parametrize("patience_s", ["10", math.nan, 1e30, True])
def test_a_patience_that_is_no_time_is_refused(patience_s: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^patience_s is .*; give a number of seconds"):
        Client(patience_s=patience_s)


@pytest.mark.parametrize("url", ["nats://localhost", "localhost:4222", "tls://me:secret@[::1]:4222"])
def test_a_url_that_names_one_is_taken(url: str) -> None:
    Client(url)
