"""What orchestrators are told: that the process is not stuck, and whether it can do its work."""

import asyncio
import json

import pytest

from towpath_chassis.health import Health, health_server


@pytest.fixture
def health() -> Health:
    return Health()


def test_a_process_without_checks_is_ready(health: Health) -> None:
    assert health.answer("/readyz") == (200, {"status": "ok"})


def test_a_failing_check_is_named_and_the_process_is_alive_all_the_same(health: Health) -> None:
    health.add("broker", lambda: False)
    health.add("redis", lambda: True)

    assert health.answer("/readyz") == (503, {"status": "not ready", "failing": ["broker"]})
    assert health.answer("/healthz") == (200, {"status": "ok"})


def test_a_path_that_is_not_there_is_answered_with_those_that_are(health: Health) -> None:
    status, said = health.answer("/")

    assert (status, said["paths"]) == (404, ["/healthz", "/readyz"])


async def _ask(port: int, request: bytes) -> tuple[bytes, bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.partition(b"\r\n")[0], body


async def test_it_is_answered_over_http(health: Health) -> None:
    async with health_server(health, "127.0.0.1", 0) as port:
        assert port is not None
        status, body = await _ask(port, b"GET /readyz?verbose HTTP/1.1\r\nhost: x\r\n\r\n")

    assert status.startswith(b"HTTP/1.1 200")
    assert json.loads(body) == {"status": "ok"}


@pytest.mark.parametrize("request_", [b"", b"\r\n\r\n", b"x" * 100_000, b"GET /healthz"])
async def test_what_is_no_request_does_not_disturb_the_next_one(health: Health, request_: bytes) -> None:
    async with health_server(health, "127.0.0.1", 0) as port:
        assert port is not None
        await _ask(port, request_)

        assert (await _ask(port, b"GET /healthz HTTP/1.1\r\n\r\n"))[0].startswith(b"HTTP/1.1 200")


async def test_no_port_means_no_server(health: Health) -> None:
    async with health_server(health, "127.0.0.1", None) as port:
        assert port is None
