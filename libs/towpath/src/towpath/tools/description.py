"""What a docstring tells the model: all of it, but for what the schema says of each parameter."""

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

_PARAMETERS = re.compile(r"(Args|Arguments|Parameters|Params):?\s*$")
_FIELD = re.compile(r":(param|parameter|arg|argument|type)\b")
_RULE = re.compile(r"-{3,}\s*$")


def description_of(function: Callable[..., Any]) -> str:
    """Return the docstring of `function` without the section of its parameters: Google, NumPy or reST style."""
    lines = (inspect.getdoc(function) or "").splitlines()
    kept = "\n".join(line.rstrip() for line in _without_parameters(lines))
    return re.sub(r"\n{3,}", "\n\n", kept).strip()


def _without_parameters(lines: list[str]) -> Iterator[str]:
    leaving_out = False
    for number, line in enumerate(lines):
        ruled = number + 1 < len(lines) and _RULE.match(lines[number + 1]) is not None
        if (_PARAMETERS.match(line) and (ruled or line.rstrip().endswith(":"))) or _FIELD.match(line):
            leaving_out = True
        elif leaving_out and _begins_section(line, ruled=ruled):
            leaving_out = False
        if not leaving_out:
            yield line


def _begins_section(line: str, *, ruled: bool) -> bool:
    """Tell whether what follows the parameters begins here: at the margin, where they are indented or underlined."""
    return bool(line) and not line[0].isspace() and (ruled or line.endswith(":") or line.startswith(":"))
