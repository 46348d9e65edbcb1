"""Records golden histories: of each life that has none in the release's directory. What is there stays as it is."""

import sys
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

from towpath.components import REGISTRY, Registry
from towpath.testing import VirtualPlatform, run_virtual
from towpath_testkit.golden.lives import LIVES, Life

APP = "towpath_testkit.golden.app"
MODULES = ("acts", "others")
SOURCE = "\n\n".join(
    Path(__file__).with_name("app").joinpath(f"{name}.py").read_text("utf-8") for name in MODULES
)
"""The code, as one text."""


def release() -> str:
    """Name the release whose histories are recorded now: `0.1` of 0.1.0."""
    major, minor, *_ = version("towpath").split(".")
    return f"{major}.{minor}"


def registry_of(source: str) -> Registry:
    """Make a registry of the components of a source; the process's own stays as it is."""
    known = [*REGISTRY]
    REGISTRY.clear()
    try:
        exec(compile(source, "golden_app.py", "exec"), ModuleType("golden_app").__dict__)  # noqa: S102
        made = Registry()
        for component in REGISTRY:
            made.add(component)
        return made
    finally:
        REGISTRY.clear()
        for component in known:
            REGISTRY.add(component)


def edited(source: str, changes: dict[str, str]) -> str:
    """Replace texts of a source.

    Raises:
        ValueError: If one is not in it.
    """
    for old, new in changes.items():
        if old not in source:
            raise ValueError(f"{old!r} is not in the source")
        source = source.replace(old, new)
    return source


async def lived(life: Life) -> list[str]:
    """Live a life, and export the journals: the run's own, and those of the runs that came of it."""
    registry = registry_of(edited(SOURCE, dict(life.before)))
    async with VirtualPlatform(registry=registry, disturbance=life.disturbance()) as platform:
        run = await platform.start(life.component, life.input, headers=dict(life.headers))
        await life.script(platform, run)
        if life.ends:
            await run.ended()
        return [one.export() for one in platform.runs]


def record(histories: Path) -> list[Path]:
    """Record what is missing; return the files that were made."""
    directory = histories / release()
    directory.mkdir(parents=True, exist_ok=True)
    made: list[Path] = []
    for name, life in LIVES.items():
        if not (directory / f"{name}.jsonl").exists():
            journals = run_virtual(lambda life=life: lived(life))
            made += [_write(directory, name, number, one) for number, one in enumerate(journals)]
    return made


def _write(directory: Path, name: str, number: int, journal: str) -> Path:
    file = directory / (f"{name}.{number}.jsonl" if number else f"{name}.jsonl")
    file.write_text(journal, "utf-8")
    return file


if __name__ == "__main__":
    for recorded in record(Path(sys.argv[1])):
        print(recorded)  # noqa: T201 - it is a command
