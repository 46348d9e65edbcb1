"""Watches folders for files that are saved: one observer for the whole process, while anybody listens."""

import os
import threading
from pathlib import Path
from typing import Protocol
from weakref import WeakSet

from watchdog.events import (
    FileClosedEvent,
    FileCreatedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver, ObservedWatch

_SAVED: list[type[FileSystemEvent]] = [FileClosedEvent, FileCreatedEvent, FileModifiedEvent, FileMovedEvent]


class Listener(Protocol):
    """Who is told of files in a folder; one that is gone is told nothing."""

    folder: Path

    def saved(self, file: Path) -> None:
        """Hear that a file was saved, or is being saved; called in a thread of the observer's."""
        ...


class _Folder(FileSystemEventHandler):
    """Tells who listens to one folder."""

    def __init__(self) -> None:
        self.listeners: WeakSet[Listener] = WeakSet()

    def on_any_event(self, event: FileSystemEvent) -> None:
        file = Path(os.fsdecode(event.dest_path or event.src_path))
        for listener in [*self.listeners]:
            listener.saved(file)


class _Watching:
    """The observer, and the folders that it looks at."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._observer: BaseObserver | None = None
        self._folders: dict[Path, tuple[_Folder, ObservedWatch]] = {}

    @property
    def is_running(self) -> bool:
        """Whether anybody listens."""
        return self._observer is not None

    def add(self, listener: Listener) -> None:
        """Tell `listener` of its folder."""
        with self._lock:
            if self._observer is None:
                self._observer = Observer()
                self._observer.start()
            if listener.folder not in self._folders:
                folder = _Folder()
                watch = self._observer.schedule(folder, str(listener.folder), event_filter=_SAVED)
                self._folders[listener.folder] = folder, watch
            self._folders[listener.folder][0].listeners.add(listener)

    def remove(self, listener: Listener) -> None:
        """Tell it no more; the observer stops where nobody is left."""
        with self._lock:
            folder, watch = self._folders[listener.folder]
            folder.listeners.discard(listener)
            if self._observer is None or folder.listeners:
                return
            del self._folders[listener.folder]
            self._observer.unschedule(watch)
            if not self._folders:
                self._observer.stop()
                self._observer.join()
                self._observer = None


WATCHING = _Watching()
"""Of this process."""
