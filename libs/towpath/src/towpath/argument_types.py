"""Arguments of constructors, held against their annotations: what does not fit is named, and what is taken instead."""

import inspect
import types
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property, partial, wraps
from numbers import Integral, Real
from reprlib import Repr
from typing import Annotated, Any, Literal, ParamSpec, TypeVar, Union, cast, get_args, get_origin

from towpath.annotations import hints_of
from towpath.definitions import documentation_of
from towpath.errors import ConfigurationError
from towpath.secrecy import redacted

P = ParamSpec("P")
R = TypeVar("R")

_REPR = Repr()
_REPR.maxstring = 60


def check_arguments(make: Callable[P, R]) -> Callable[P, R]:
    """Have a constructor refuse arguments that its annotations do not allow, before it does anything.

    It looks at what is given, into lists and mappings too, and lets pass what only a type checker can tell: `Any`, what
    a function takes, what is generic. Of a protocol an object needs the methods. A class method stands below
    `@classmethod`.
    """
    taken = _Taken(make)

    @wraps(make)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        taken.check(args, kwargs)
        return make(*args, **kwargs)

    return checked


class _Taken:
    """What a constructor takes; read when it is first called, so that importing it costs nothing.

    Args:
        make: The constructor, or a class method that is one.
    """

    def __init__(self, make: Callable[..., Any]) -> None:
        self._make = make

    def check(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Hold what is given against the annotations; too many and unknown arguments are for Python to refuse.

        Raises:
            ConfigurationError: If an argument does not fit.
        """
        kinds = self._kinds
        made, *placed = args
        given = {**dict(zip(self._positional, placed, strict=False)), **kwargs} if placed else kwargs
        for name, value in given.items():
            kind = kinds.get(name)
            if kind is not None and type(value) not in kind.plain and not kind.fits(value):
                raise ConfigurationError(self._refusal(made, name, value))

    @cached_property
    def _kinds(self) -> dict[str, "_Kind"]:
        return {name: _kind_of(hint) for name, hint in hints_of(self._make).items() if name != "return"}

    @cached_property
    def _positional(self) -> tuple[str, ...]:
        """Names of what is given by position, behind the object or class itself."""
        parameters = inspect.signature(self._make).parameters.values()
        return tuple(one.name for one in parameters if one.kind is one.POSITIONAL_OR_KEYWORD)[1:]

    def _refusal(self, made: Any, name: str, value: Any) -> str:
        maker, documented = self._called(made)
        path, kind, wrong = _blamed(name, self._kinds[name], value)
        said = f"{maker}({name}=...): {path} is {_shown(wrong)}; give {kind.words}"
        meant = documentation_of(documented).parameters.get(name)
        return f"{said}. About {name}: {meant}" if meant else said

    def _called(self, made: Any) -> tuple[str, Callable[..., Any]]:
        """Tell how a program calls the constructor, and what documents it."""
        if isinstance(made, type):
            return f"{made.__name__}.{self._make.__name__}", self._make
        kind = cast("type[Any]", type(made))
        return kind.__name__, kind


class _Kind:
    """What an annotation allows.

    Args:
        words: What it is called in a sentence.
        fits: Tells whether a value is so.
        plain: Built-in types all of whose values fit, so that nobody need look at them.
        group: The class of lists, or of mappings, whose items are told apart.
        items: What its items, or values, are.
    """

    __slots__ = ("fits", "group", "items", "plain", "words")

    def __init__(
        self,
        words: str,
        fits: Callable[[Any], bool],
        plain: frozenset[type] = frozenset(),
        *,
        group: type[Any] | None = None,
        items: "_Kind | None" = None,
    ) -> None:
        self.words, self.fits, self.plain = words, fits, plain
        self.group, self.items = group, items


def _kind_of(hint: Any) -> _Kind:
    """Tell what an annotation allows; one that says nothing at run time allows anything."""
    known = _PLAIN.get(hint) if isinstance(hint, type) else None
    if known is not None:
        return known
    origin, of = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _kind_of(of[0])
    if origin in (Union, types.UnionType):
        return _one_of([_kind_of(one) for one in of])
    if origin is not None:
        return _group(origin, of)
    return _object(hint) if isinstance(hint, type) else _ANYTHING


def _one_of(kinds: list[_Kind]) -> _Kind:
    if _ANYTHING in kinds:
        return _ANYTHING
    *others, last = dict.fromkeys(kind.words for kind in kinds)
    words = f"{', '.join(others)} or {last}" if others else last
    holding = next((kind for kind in kinds if kind.items is not None), _ANYTHING)
    plain = frozenset[type]().union(*(kind.plain for kind in kinds))
    return _Kind(words, partial(_fits_any, kinds), plain, group=holding.group, items=holding.items)


def _fits_any(kinds: list[_Kind], value: Any) -> bool:
    return any(kind.fits(value) for kind in kinds)


def _class_below(base: Any) -> _Kind:
    if not isinstance(base, type):
        return _Kind("a class", lambda value: isinstance(value, type))
    words = f"a class derived from {base.__name__}"
    return _Kind(words, lambda value: isinstance(value, type) and issubclass(value, base))


def _group(origin: Any, of: tuple[Any, ...]) -> _Kind:
    """Describe what has something in brackets: values, classes, functions, mappings, lists of every kind, and others."""
    if origin is Literal:
        return _Kind(" or ".join(map(repr, of)), lambda value: value in of)
    if origin is type:
        return _class_below(*of)
    if origin is Callable:
        return _Kind("a function", callable, frozenset({types.FunctionType, types.MethodType}))
    if issubclass(origin, Mapping):
        return _holding("a mapping", "each value", cast("type[Any]", origin), of[1:])
    if issubclass(origin, Iterable):
        return _holding("a list", "each", cast("type[Any]", origin), () if origin is tuple else of)
    return _object(origin)


def _holding(words: str, each: str, group: type[Any], of: tuple[Any, ...]) -> _Kind:
    """Describe a group of items; text and bytes are none, though one can go through them."""
    item = _kind_of(*of) if of else _ANYTHING

    def fits(value: Any) -> bool:
        if not isinstance(value, group) or isinstance(value, str | bytes):
            return False
        return item is _ANYTHING or all(map(item.fits, (one for _, one in _items(value))))

    if item is _ANYTHING:
        return _Kind(words, fits, frozenset(one for one in (list, tuple, dict) if issubclass(one, group)))
    return _Kind(f"{words} ({each} {item.words})", fits, group=group, items=item)


def _items(value: Any) -> Iterable[tuple[Any, Any]]:
    """Return what a group holds, with the place of each; nothing where looking would use it up."""
    if isinstance(value, Mapping):
        return cast("Mapping[Any, Any]", value).items()
    return (
        enumerate(cast("Iterable[Any]", value)) if isinstance(value, list | tuple | set | frozenset) else ()
    )


def _object(kind: type) -> _Kind:
    words = f"{'an' if kind.__name__[0] in 'AEIOU' else 'a'} {kind.__name__}"
    if not getattr(kind, "_is_protocol", False):
        return _Kind(words, lambda value: isinstance(value, kind))
    methods = [name for name, _ in inspect.getmembers(kind, callable) if not name.startswith("_")]
    return _Kind(words, lambda value: not isinstance(value, type) and _has(value, methods))


def _has(value: Any, methods: Iterable[str]) -> bool:
    return all(callable(getattr(value, method, None)) for method in methods)


def _is_number(kind: type, value: Any) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


_ANYTHING = _Kind("anything", lambda _value: True)
_PLAIN: Mapping[type, _Kind] = {
    cast("type[Any]", Any): _ANYTHING,
    object: _ANYTHING,
    type(None): _Kind("None", lambda value: value is None, frozenset({type(None)})),
    str: _Kind("text", lambda value: isinstance(value, str), frozenset({str})),
    bool: _Kind("True or False", lambda value: isinstance(value, bool), frozenset({bool})),
    int: _Kind("a whole number", partial(_is_number, Integral), frozenset({int})),
    float: _Kind("a number", partial(_is_number, Real), frozenset({float, int})),
    dict: _Kind("a mapping", lambda value: isinstance(value, dict), frozenset({dict})),
    list: _Kind("a list", lambda value: isinstance(value, list), frozenset({list})),
}


# --- What is said of a value that does not fit ------------------------------------------------------------------------


def _blamed(path: str, kind: _Kind, value: Any) -> tuple[str, _Kind, Any]:
    """Find what exactly does not fit: the argument, or what it holds, with the place and what is allowed there."""
    if kind.group is not None and kind.items is not None and isinstance(value, kind.group):
        for place, one in _items(value):
            if not kind.items.fits(one):
                return _blamed(f"{path}[{place!r}]", kind.items, one)
    return path, kind, value


def _shown(value: Any) -> str:
    """Write a value that is short by itself; of others only the type, as they may hold what is nobody's matter."""
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if isinstance(value, str):
        return f"{_REPR.repr(redacted(value))} (text)"
    if value is None or isinstance(value, Real):
        return f"{value!r} ({type(value).__name__})"
    return f"of type {type(value).__name__}"
