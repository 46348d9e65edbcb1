"""`towpath replay` of exported journals: no server is needed, and nothing is done."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from towpath.components import REGISTRY
from towpath.runtime.loading import load_app
from towpath.testing import VirtualPlatform, run_virtual
from towpath_cli.app import app

SHOP = """
    from towpath import Context, workflow

    from pathlib import Path

    def work(what: str) -> str:
        Path({effects!r}).write_text(what)
        print("working")
        return what

    @workflow(version={version!r})
    async def ships(ctx: Context, order: str) -> str:
        print("shipping", order)
        packed = await ctx.step({step!r}, work, order)
        await ctx.sleep(86_400)
        return await ctx.step("ship", work, packed)
    """

Shop = Callable[..., Path]


@pytest.fixture(autouse=True)
def loaded_anew() -> Iterator[None]:
    known, path = set(sys.modules), list(sys.path)
    REGISTRY.clear()
    yield
    REGISTRY.clear()
    sys.path[:] = path
    for name in set(sys.modules) - known:
        if name.startswith("shop_"):
            del sys.modules[name]


@pytest.fixture
def effects(tmp_path: Path) -> Path:
    """What was done in the world outside."""
    return tmp_path / "effects"


@pytest.fixture
def shop(tmp_path: Path, effects: Path) -> Shop:
    def write(name: str, *, step: str = "pack", version: str | None = None) -> Path:
        file = tmp_path / f"{name}.py"
        file.write_text(dedent(SHOP.format(effects=str(effects), step=step, version=version)))
        return file

    return write


@pytest.fixture
def journal(tmp_path: Path, effects: Path) -> Callable[[Path], Path]:
    """Run a shop for a while, and export the journal."""

    def lived(code: Path) -> Path:
        load_app(str(code))

        async def export() -> str:
            async with VirtualPlatform() as platform:
                return (await platform.start("ships", "kite")).export()

        exported = code.with_suffix(".jsonl")
        exported.write_text(run_virtual(export))
        REGISTRY.clear()
        effects.unlink()
        return exported

    return lived


def towpath(*arguments: Any) -> Result:
    return CliRunner().invoke(app, [str(one) for one in arguments], env={"COLUMNS": "200"})


def test_code_that_can_go_on_is_ok_and_nothing_is_done(
    shop: Shop, journal: Callable[[Path], Path], effects: Path
) -> None:
    stored = journal(shop("shop_1"))

    ended = towpath("replay", shop("shop_2"), stored, "--check")

    assert ended.exit_code == 0, ended.output
    assert ended.stdout == f"ok       {stored}  ships  2 acts, then timer 'timer#0' of 'timer'\n"
    assert ended.stderr.endswith("1 runs: 1 ok, 0 diverged, 0 missing\n")
    assert "shipping kite" in ended.stderr, "what the code prints is no result"
    assert not effects.exists()


def test_code_that_diverges_is_named_with_both_sides_and_the_entry(
    shop: Shop, journal: Callable[[Path], Path], effects: Path
) -> None:
    stored = journal(shop("shop_1"))
    code = shop("shop_2", step="wrap")

    checked = towpath("replay", code, stored, stored, "--check")

    line = (
        f"diverged {stored}  ships  entry 1: the journal has step 'pack#0', the code asks for step 'wrap#0'\n"
    )
    assert (checked.exit_code, checked.stdout) == (1, line * 2)
    assert not effects.exists()


def test_only_a_check_ends_with_1(shop: Shop, journal: Callable[[Path], Path]) -> None:
    stored = journal(shop("shop_1"))

    told = towpath("replay", shop("shop_2", step="wrap"), stored)

    assert (told.exit_code, told.stdout.split()[0]) == (0, "diverged")


def test_a_run_of_a_version_that_is_not_there_is_missing(shop: Shop, journal: Callable[[Path], Path]) -> None:
    stored = journal(shop("shop_1", version="1"))

    ended = towpath("replay", shop("shop_2", version="2"), stored, "--check")

    assert ended.exit_code == 1, ended.output
    assert ended.stdout.startswith(f"missing  {stored}  ships of version 1  the code has no such component")


def test_verdicts_are_told_as_json(shop: Shop, journal: Callable[[Path], Path]) -> None:
    stored = journal(shop("shop_1"))

    ended = towpath("replay", shop("shop_2", step="wrap"), stored, "--json")

    assert json.loads(ended.stdout) == {
        "run": str(stored),
        "component": "ships",
        "version": None,
        "verdict": "diverged",
        "acts": None,
        "stopped_at": [],
        "entry": 1,
        "journal": "step 'pack#0'",
        "code": "step 'wrap#0'",
    }


def test_what_cannot_be_meant_is_refused_in_one_sentence(
    shop: Shop, journal: Callable[[Path], Path], tmp_path: Path
) -> None:
    stored, code = journal(shop("shop_1")), shop("shop_2")
    (nonsense := tmp_path / "nonsense.jsonl").write_text('{"kind": "nonsense"}\n')
    (headless := tmp_path / "headless.jsonl").write_text(
        "".join(stored.read_text().splitlines(keepends=True)[1:])
    )
    (binary := tmp_path / "binary.jsonl").write_bytes(b"\xff\xfe")

    for arguments, said in [
        ([code, stored, "--run", "r-1"], "give files, or choose runs of a platform"),
        ([code, "--run", "r-1", "--component", "ships"], "name runs with --run, or choose them"),
        ([code, tmp_path / "nowhere.jsonl"], "No such file or directory"),
        ([code, nonsense], f"{nonsense}: line 1 is no record of a journal"),
        ([code, headless], f"{headless} has no run.started record"),
        ([code, binary], "it is not UTF-8 text"),
        ([tmp_path / "shop_9.py", stored], "there is no file"),
    ]:
        ended = towpath("replay", *arguments)
        assert ended.exit_code == 1, ended.output
        assert said in ended.stderr
        assert "Traceback" not in ended.stderr
