"""What a program that uses Towpath may set in its environment, read where it is first needed."""

import os

DEFAULT_MODEL = "TOWPATH_DEFAULT_MODEL"


def default_model() -> str | None:
    """Read the model of those that name none, as `provider/model`; its provider is the default one."""
    return os.environ.get(DEFAULT_MODEL) or None  # noqa: TID251 - this is settings.py
