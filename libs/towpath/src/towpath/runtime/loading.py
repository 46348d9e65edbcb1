"""Loads the user's code, so that its decorators register what it offers."""

import importlib
import importlib.util
import sys
from pathlib import Path

from towpath.errors import ConfigurationError


def load_app(app: str) -> None:
    """Import user code, given as a module (`package.module`) or as a file (`path/app.py`).

    Raises:
        ConfigurationError: If it is not there, or fails while it is imported; the message says where.
    """
    try:
        if app.endswith(".py"):
            _load_file(Path(app))
        else:
            sys.path.insert(0, str(Path.cwd()))
            importlib.import_module(app)
    except Exception as error:
        raise ConfigurationError(f"app {app!r} cannot be loaded: {type(error).__name__}: {error}") from error


def _load_file(path: Path) -> None:
    file = path.resolve()
    if not file.is_file():
        raise ConfigurationError(f"there is no file {file}")
    if getattr(sys.modules.get(file.stem), "__file__", None) == str(file):
        return  # another runner in this process has loaded it
    sys.path.insert(0, str(file.parent))
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None:
        raise ConfigurationError(f"{file} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module
    spec.loader.exec_module(module)


def service_name(app: str) -> str:
    """Name the service of an app that was given no name: its module's last part."""
    return Path(app).stem if app.endswith(".py") else app.rpartition(".")[2]
