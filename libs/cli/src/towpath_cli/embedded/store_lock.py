"""One server per store directory: two would damage what is in it."""

import fcntl
import os
from pathlib import Path


class StoreInUseError(Exception):
    """Another server, perhaps of another program, works in the directory."""

    def __init__(self, directory: Path) -> None:
        super().__init__(
            f"{directory} is in use by another server; stop that one, or choose another directory"
        )
        self.directory = directory


def lock_store(directory: Path) -> int:
    """Create `directory` if need be, and lock it.

    The lock lasts until the last copy of the returned file descriptor is closed: a child process that inherits
    it holds the lock for as long as it lives, whatever becomes of its parent.

    Raises:
        StoreInUseError: If the directory is locked already.
    """
    directory.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise StoreInUseError(directory) from None
    return descriptor
