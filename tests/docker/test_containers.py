"""The chassis makes its streams on the broker that the compose file names."""
# pyright: reportUnknownMemberType=false
# (testcontainers leaves parts of its interface untyped)

import re
from pathlib import Path

import pytest

from towpath_chassis.service import connection
from towpath_chassis.streams import ensure_streams
from towpath_schemas.streams import STREAMS

pytestmark = [pytest.mark.docker, pytest.mark.timeout(180)]

COMPOSE_FILE = Path(__file__).parents[2] / "docker-compose.yml"


# NatsContainer is built on what testcontainers deprecates.
@pytest.mark.filterwarnings("ignore:The .*wait_:DeprecationWarning:testcontainers")
async def test_streams_are_made_once_and_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    from testcontainers.community.nats import NatsContainer  # noqa: PLC0415 - it warns; see above

    # The container is removed when the block ends; a second one to see to it would be one more image to pull.
    monkeypatch.setenv("TESTCONTAINERS_RYUK_DISABLED", "true")
    image = re.search(r"image: (nats:\S+)", COMPOSE_FILE.read_text())
    assert image is not None

    with NatsContainer(image[1], jetstream=True) as broker:
        async with connection(broker.nats_uri(), name="test") as (_, js):
            await ensure_streams(js)
            await ensure_streams(js)

            for stream in STREAMS:
                info = await js.info(f"STREAM.INFO.{stream.name}")
                assert info is not None
                assert info["config"]["subjects"] == list(stream.subjects)
