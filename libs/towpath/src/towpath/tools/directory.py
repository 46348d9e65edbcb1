"""A folder of tools: what is saved there is what the agent has, while it runs.

One observer watches for all agents of the process; it stops with the last of them.
"""

import logging
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any
from weakref import WeakMethod

from towpath.errors import ConfigurationError, RegistrationError
from towpath.tools.loading import load_file, tools_of
from towpath.tools.tool import Tool

SETTLING_S = 0.03
"""How long a file has to be left alone before it is loaded: editors save in several steps."""

_logger = logging.getLogger("towpath")  # noqa: TID251 - a plain script has no structlog


class ToolDirectory:
    """The tools in the Python files of one folder; a file that is saved is loaded again.

    A file that cannot be loaded is logged, and what was there before it stays; so do the tools of a file that is
    deleted. A file whose name begins with an underscore is not looked at.

    Args:
        folder: The folder; where there is none, there are no tools.
        put: A method that takes each tool, at once and whenever one changes. It does not keep its object alive.

    Raises:
        ConfigurationError: If the library that watches files is not installed.
    """

    def __init__(self, folder: Path, put: Callable[[Tool], None]) -> None:
        self.folder = folder.resolve()
        self._put = WeakMethod(put)
        self._settling: dict[Path, threading.Timer] = {}
        for file in sorted(self.folder.glob("*.py")):
            self.load(file)
        self._watched = self.folder.is_dir()
        if self._watched:
            _watching().add(self)

    def load(self, file: Path) -> None:
        """Take the tools of one file as it is now."""
        put = self._put()
        if put is None or not _is_tool_file(file):
            return
        try:
            for tool in tools_of(load_file(file)):
                tool.register()
                put(tool)
        except (RegistrationError, OSError) as error:
            _logger.warning("a file of tools is left out: %s: %s", file, error)

    def saved(self, file: Path) -> None:
        """Hear that a file was saved; it is loaded once it has been left alone for a moment."""
        if file.parent != self.folder or not _is_tool_file(file):
            return
        timer = threading.Timer(SETTLING_S, self._settled, [file])
        timer.daemon = True
        before, self._settling[file] = self._settling.get(file), timer
        if before is not None:
            before.cancel()
        timer.start()

    def _settled(self, file: Path) -> None:
        self._settling.pop(file, None)
        self.load(file)

    def close(self) -> None:
        """Stop watching; the tools stay."""
        if self._watched:
            self._watched = False
            _watching().remove(self)
            for timer in [*self._settling.values()]:
                timer.cancel()

    def __del__(self) -> None:
        if getattr(self, "_watched", False):
            warnings.warn(
                f"an agent that loads tools from {self.folder} was not cleaned up; call agent.cleanup()",
                ResourceWarning,
                stacklevel=1,
            )


def _is_tool_file(file: Path) -> bool:
    return file.suffix == ".py" and not file.name.startswith(("_", "."))


def _watching() -> Any:
    try:
        from towpath.tools.watching import WATCHING  # noqa: PLC0415 - its library takes time to import
    except ImportError as error:
        raise ConfigurationError(f"{error}; install towpath[hot-reload]") from error
    return WATCHING
