"""The engine that the tests here cannot do without."""

import subprocess

import pytest


@pytest.fixture(scope="session", autouse=True)
def engine() -> None:
    for command in (["docker", "version"], ["docker", "compose", "version"]):
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        except FileNotFoundError:
            pytest.fail("These tests need Docker, and there is no `docker` command.", pytrace=False)
        if done.returncode != 0:
            why = done.stderr.strip()
            pytest.fail(f"These tests need a Docker engine: `{' '.join(command)}` says: {why}", pytrace=False)
