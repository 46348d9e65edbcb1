"""The parameters of a callable, and how a payload is read as arguments for them."""

import inspect
from inspect import Parameter
from typing import Any, cast

from towpath.step_input import RESERVED, deps_in
from towpath_schemas.inputs import ParameterNames, Reading, read_input


class Parameters:
    """The parameters of a callable, without its context.

    Attributes:
        by_name: Those that have a value of their own.
        names: What others know of them.
    """

    def __init__(self, signature: inspect.Signature) -> None:
        self.signature = signature
        self.by_name: dict[str, Parameter] = {
            name: parameter
            for name, parameter in signature.parameters.items()
            if parameter.kind not in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
        }
        own = self.by_name.values()
        self.names = ParameterNames(
            by_place=tuple(one.name for one in own if one.kind is not Parameter.KEYWORD_ONLY),
            by_name_only=tuple(one.name for one in own if one.kind is Parameter.KEYWORD_ONLY),
            required=tuple(one.name for one in own if one.default is Parameter.empty),
            rest=self._of_kind(Parameter.VAR_POSITIONAL),
            extra=self._of_kind(Parameter.VAR_KEYWORD),
        )

    def _of_kind(self, kind: Any) -> str | None:
        return next((one.name for one in self.signature.parameters.values() if one.kind is kind), None)


def read_payload(payload: Any, names: ParameterNames) -> Reading:
    """Read a payload as arguments, see `read_input`; what a flow adds to what its step says need not be taken.

    Raises:
        ValueError: If it cannot be read as arguments at all.
    """
    return read_input(_taken(payload, names) if isinstance(payload, dict) else payload, names)


def may_be_left_out(payload: Any, names: ParameterNames) -> bool:
    """Tell whether a payload is only what a flow adds, and the only parameter has a default besides."""
    said_nothing = deps_in(payload) is not None and all(key in RESERVED for key in payload)
    return said_nothing and names.only is not None and names.only not in names.required


def without_additions(payload: dict[str, Any], names: ParameterNames) -> dict[str, Any]:
    """Leave out of a payload what a flow adds to what its step says, where no parameter is for it."""
    if deps_in(payload) is None:
        return payload
    return {key: value for key, value in payload.items() if key not in RESERVED or key in names.all}


def _taken(payload: Any, names: ParameterNames) -> dict[str, Any]:
    """Leave out what a flow adds, unless something takes it: the only parameter as its value, or any further names."""
    given = cast("dict[str, Any]", payload)
    taken = without_additions(given, names)
    is_value = names.only is not None and not (taken and names.are_named_in(taken))
    return given if is_value or names.extra else taken
