"""Measures a session on the platform as it grows: appends, and reads of its history, seen from a run."""

import asyncio
import json
import sys
import tempfile
from pathlib import Path

from towpath import Client
from towpath_testkit.stage import Stage

SIZES = (0, 1_000, 5_000, 20_000)
REPEATS = 60


async def main() -> None:
    """Print a line for each size."""
    app = Path(__file__).with_name("sessions_app.py")
    with tempfile.TemporaryDirectory(prefix="towpath-bench-") as folder:
        stage = Stage(app, Path(folder), settings={"log_level": "WARNING"})
        try:
            await stage.put_up()
            async with Client(stage.nats_url) as client:
                await client.run("measure", {"repeats": REPEATS})
                for size in SIZES:
                    await client.run("fill", {"count": size})
                    figures = await client.run("measure", {"repeats": REPEATS})
                    sys.stdout.write(f"{size:>7,} messages  {json.dumps(figures)} ms\n")
        finally:
            await stage.take_down()


if __name__ == "__main__":
    asyncio.run(main())
