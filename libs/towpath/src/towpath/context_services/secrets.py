"""`ctx.secrets()`: passwords and keys, read where they are used and written down nowhere."""

from typing import Any, TypeVar, overload

from towpath import secrecy, settings
from towpath.coordination import UNSET
from towpath.errors import ConfigurationError
from towpath.secrecy import SecretValue

Default = TypeVar("Default")


class Secrets:
    """The secrets of this process: `TOWPATH_SECRET_<NAME>`, or the file `<name>` in `TOWPATH_SECRETS_DIR`.

    They are read anew each time, so one that is replaced is seen; nothing of them is journaled. A value that holds
    one is refused wherever it would be: as a step's result, an argument of a call, state, a signal's payload, the
    name or `key=` of an act. In logs, failures, traces and models' answers its name stands in its place.
    """

    @overload
    def get(self, name: str) -> SecretValue: ...
    @overload
    def get(self, name: str, default: Default) -> SecretValue | Default: ...

    def get(self, name: str, default: Any = UNSET) -> Any:
        """Return a secret.

        Args:
            name: What it is called.
            default: Returned where it is not set.

        Returns:
            A `SecretValue`: text like any other, except that its `repr` does not show it.

        Raises:
            ConfigurationError: If it is not set and there is no default.
        """
        value = settings.secret_text(name)
        if value is not None:
            return secrecy.reveal(name, value)
        if default is UNSET:
            variable, directory = settings.secret_variable(name), settings.SECRETS_DIR
            raise ConfigurationError(
                f"the secret {name!r} is not set; set {variable}, or put the file {name} into {directory}"
            )
        return default
