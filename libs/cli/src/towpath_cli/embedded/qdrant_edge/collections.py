"""All collections of one directory: what exists there, and that it is found again after a crash."""

import json
import os
import shutil
from pathlib import Path
from urllib.parse import quote, unquote

from towpath_cli.embedded.qdrant_edge.collection import Collection
from towpath_cli.embedded.qdrant_edge.errors import AlreadyExistsError, NotFoundError
from towpath_cli.embedded.qdrant_edge.fields import Json
from towpath_cli.embedded.qdrant_edge.vectors import VectorSpace
from towpath_cli.embedded.store_lock import lock_store

DECLARATION = "collection.json"
PREFIX = "collection-"  # before the quoted name, so that a collection may be called ".."


class Collections:
    """The collections below a directory, one at a time.

    A collection exists from the moment its declaration is in place until that moment's undoing: whatever a
    crash leaves without a declaration never was acknowledged, or was already deleted, and is swept up.
    """

    def __init__(self, directory: Path) -> None:
        """Open what is there.

        Raises:
            StoreInUseError: If another process has the directory. The engine would notice only after
                it has written to the files of the other.
        """
        self._directory = directory
        self._lock = lock_store(directory)
        self._collections: dict[str, Collection] = {}
        for path in directory.glob(f"{PREFIX}*"):
            self._open(path)

    @property
    def names(self) -> list[str]:
        """The names of the collections."""
        return list(self._collections)

    def __contains__(self, name: str) -> bool:
        return name in self._collections

    def __getitem__(self, name: str) -> Collection:
        if name not in self._collections:
            raise NotFoundError(f"Collection `{name}` doesn't exist!")
        return self._collections[name]

    def create(self, name: str, body: Json) -> bool:
        """Create an empty collection as `body` declares it, and say so."""
        if name in self._collections:
            raise AlreadyExistsError(name)
        path, space = self._path(name), VectorSpace.declared_in(body)
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
        self._collections[name] = Collection.create(path / "shard", space)
        _replace(path / DECLARATION, json.dumps(body))
        return True

    def delete(self, name: str) -> bool:
        """Delete a collection, and say whether there was one."""
        if name not in self._collections:
            return False
        self._collections.pop(name).close()
        (self._path(name) / DECLARATION).unlink()
        shutil.rmtree(self._path(name))
        return True

    def flush(self) -> None:
        """Make what was written survive a power cut."""
        for collection in self._collections.values():
            collection.flush()

    def close(self) -> None:
        """Flush, and give all files free."""
        while self._collections:
            self._collections.popitem()[1].close()
        os.close(self._lock)

    def _open(self, path: Path) -> None:
        declaration = path / DECLARATION
        if not declaration.exists():
            shutil.rmtree(path)
            return
        space = VectorSpace.declared_in(json.loads(declaration.read_text()))
        self._collections[unquote(path.name.removeprefix(PREFIX))] = Collection.load(path / "shard", space)

    def _path(self, name: str) -> Path:
        return self._directory / f"{PREFIX}{quote(name, safe='')}"


def _replace(path: Path, text: str) -> None:
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(text)
    unfinished.replace(path)
