"""Every contract in pyproject.toml is kept, and notices when it is not.

A contract that names a module wrongly is kept for ever. So for each one a violation is planted in a copy of the
source tree, and this very contract must report it.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONTRACTS: dict[str, str] = {
    contract["id"]: contract["name"]
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
}


@dataclass(frozen=True)
class Violation:
    """A module that must not be: where it is planted, and what it imports."""

    module: str
    imports: str


VIOLATIONS = {
    "one-way": Violation("towpath_router.planted", "towpath_gateway"),
    "schemas-are-pure": Violation("towpath_schemas.planted", "structlog"),
    "one-door-state": Violation("towpath_audit_sink.planted", "redis"),
    "one-door-models": Violation("towpath.planted", "openai"),
    "one-door-mcp": Violation("towpath.planted", "mcp"),
    "one-door-watching": Violation("towpath.planted", "watchdog"),
    "one-door-wire": Violation("towpath_router.planted", "nats"),
    "one-door-framework": Violation("towpath_audit_sink.planted", "faststream"),
    "components-are-local": Violation("towpath.planted", "towpath_chassis"),
    "definitions-know-no-engine": Violation("towpath.planted", "towpath.runtime"),
    "engine-knows-no-broker": Violation("towpath.engine.planted", "towpath.runtime"),
    "local-needs-no-server": Violation("towpath.local.planted", "towpath.runtime"),
    "no-test-code-shipped": Violation("towpath_cli.planted", "towpath_testkit"),
    "inside-a-service": Violation("towpath_router.settings.planted", "towpath_router.app"),
    "no-cycles": Violation("towpath_schemas.planted", "towpath_schemas.planted_too"),
}


class SourceTree:
    """A copy of everything that ships, as import-linter sees it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        not_compiled = shutil.ignore_patterns("__pycache__")
        for pattern in "schemas/src/*/", "libs/*/src/*/", "services/*/src/*/":
            for package in ROOT.glob(pattern):
                shutil.copytree(package, folder / package.name, ignore=not_compiled)

    @contextmanager
    def planted(self, violation: Violation) -> Generator[None]:
        """Let the tree hold the violation for a while."""
        written = dict(self._files_of(violation))
        before = {file: file.read_text() for file in written if file.exists()}
        for file, text in written.items():
            file.write_text(before.get(file, "") + text)
        try:
            yield
        finally:
            for file in written:
                file.write_text(before[file]) if file in before else file.unlink()

    def broken_contracts(self, *only: str) -> set[str]:
        """Ask import-linter which contracts the tree breaks; a complaint about the contract itself is an error."""
        options = [
            "--config",
            str(ROOT / "pyproject.toml"),
            "--cache-dir",
            str(self.folder / ".cache"),
            "--no-logo",
        ]
        options += [option for contract in only for option in ("--contract", contract)]
        run = subprocess.run(  # noqa: S603 - our own tool on our own tree
            [
                sys.executable,
                "-c",
                "from importlinter.cli import lint_imports_command as run; run()",
                *options,
            ],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(self.folder), "COLUMNS": "400", "NO_COLOR": "1"},  # noqa: TID251
            capture_output=True,
            text=True,
            check=False,
        )
        verdicts = dict(re.findall(r"^(.+) (KEPT|BROKEN)", run.stdout, re.MULTILINE))
        ids = {name: contract for contract, name in CONTRACTS.items()}
        assert {ids[name] for name in verdicts} == set(only or CONTRACTS), run.stdout + run.stderr
        return {ids[name] for name, verdict in verdicts.items() if verdict == "BROKEN"}

    def _files_of(self, violation: Violation) -> Iterator[tuple[Path, str]]:
        """Yield the files to write: where the parent is a module and no package, the import goes into it."""
        place = self.folder.joinpath(*violation.module.split("."))
        file = place.with_suffix(".py") if place.parent.is_dir() else place.parent.with_suffix(".py")
        yield file, f"\nimport {violation.imports}\n"
        target = self.folder.joinpath(*violation.imports.split("."))
        if target.name == "planted_too":
            yield target.with_suffix(".py"), f"\nimport {violation.module}\n"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> SourceTree:
    return SourceTree(tmp_path_factory.mktemp("tree"))


def test_each_contract_has_a_planted_violation() -> None:
    assert set(VIOLATIONS) == set(CONTRACTS)


def test_the_tree_as_it_is_keeps_every_contract(tree: SourceTree) -> None:
    assert tree.broken_contracts() == set()


@pytest.mark.parametrize("contract", VIOLATIONS)
def test_a_planted_violation_is_noticed(tree: SourceTree, contract: str) -> None:
    with tree.planted(VIOLATIONS[contract]):
        broken = tree.broken_contracts(contract)

    assert broken == {contract}
