"""The schema of a callable: what it takes, what it gives, and how a payload becomes its arguments."""

import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from inspect import Parameter
from typing import Annotated, Any, NamedTuple, cast, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PydanticSchemaGenerationError,
    PydanticUserError,
    TypeAdapter,
    ValidationError,
    create_model,
)
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import to_json

from towpath.annotations import context_first, hints_of, name_of
from towpath.binding import Parameters, may_be_left_out, read_payload, without_additions
from towpath.errors import InvalidInputError, NotSerialisableError, RegistrationError
from towpath.streaming import result_type
from towpath.values import adapter_of, path_text, revive, to_json_value
from towpath_schemas.inputs import Reading


class Arguments(NamedTuple):
    """The arguments of one call, validated; the context is not among them."""

    positional: tuple[Any, ...]
    named: dict[str, Any]


@dataclass(frozen=True, slots=True)
class CallableSchema:
    """What a callable takes and gives.

    Attributes:
        name: Its name, for messages.
        takes_context: Whether its first parameter is the context.
        input_schema: JSON Schema of an object of its parameters, without the context.
        output_type: The annotation of its result; Any where there is none that JSON can be read as. Of a
            function that yields, the list of what it yields.
    """

    name: str
    takes_context: bool
    parameters: Parameters
    input_schema: dict[str, Any]
    output_schema: dict[str, Any]
    output_type: Any
    _model: type[BaseModel]
    _rest_type: Any
    _extra_type: Any

    def bind(self, payload: Any) -> Arguments:
        """Make arguments of `payload`, which is decoded JSON.

        Raises:
            InvalidInputError: If it does not fit; the message names each bad field, and what is expected.
        """
        try:
            reading = read_payload(payload, self.parameters.names)
            return self._validated(reading)
        except ValidationError as error:
            if may_be_left_out(payload, self.parameters.names):
                return self._validated(Reading({}, []))
            problems = self._problems(payload, error)
        except ValueError as error:
            problems = str(error)
        expected = f"{self.name}{self.parameters.signature}"
        raise InvalidInputError(f"{self.name} does not take this input: {problems}; it is {expected}")

    def _validated(self, reading: Reading) -> Arguments:
        names = self.parameters.names
        model = self._model.model_validate_json(to_json(reading.named), by_name=False)
        given = {
            name: getattr(model, field)
            for field, name in zip(type(model).model_fields, names.all, strict=True)
            if field in model.model_fields_set
        }
        extra = _checked(dict(model.model_extra or {}), self._extra_type)
        rest = _checked({names.rest: reading.rest}, list[self._rest_type])
        return _arranged(self.parameters, {**given, **extra}, rest[names.rest])

    def check_result(self, result: Any) -> None:
        """Refuse a result that its annotation does not allow.

        Raises:
            NotSerialisableError: The message names the function, and the path of each bad field.
        """
        self._check(result, self.output_type, "result")

    def check_chunk(self, chunk: Any, index: int) -> None:
        """Refuse a chunk that the annotation of what the function yields does not allow; see `check_result`."""
        (kind,) = get_args(self.output_type) or (Any,)
        self._check(chunk, kind, f"chunk {index}")

    def _check(self, value: Any, kind: Any, what: str) -> None:
        try:
            revive(to_json_value(value), kind)
        except NotSerialisableError as error:
            raise NotSerialisableError(f"{self.name}, {what}: {error}") from error

    def _problems(self, payload: Any, error: ValidationError) -> str:
        """List the bad fields; an object that was read as one value is better explained field by field."""
        if isinstance(payload, dict) and (only := self.parameters.names.only):
            said = without_additions(cast("dict[str, Any]", payload), self.parameters.names)
            named = {key: value for key, value in said.items() if key != "*"}
            try:
                self._model.model_validate_json(to_json(named), by_name=False)
            except ValidationError as by_field:
                error = by_field if not _inside(error, only) else error
        return "; ".join(f"{path_text(one['loc'])}: {one['msg']}" for one in error.errors(include_url=False))


def _inside(error: ValidationError, name: str) -> bool:
    """Tell whether all problems lie within the value of `name`, so that it was meant to be that value."""
    return all(one["loc"][:1] == (name,) and len(one["loc"]) > 1 for one in error.errors(include_url=False))


def schema_of(
    function: Callable[..., Any],
    *,
    name: str | None = None,
    descriptions: Mapping[str, str] | None = None,
    without: Collection[str] = (),
    config: ConfigDict | None = None,
) -> CallableSchema:
    """Read the schema of `function` from its signature.

    Args:
        function: What is to be called.
        name: Its name in messages, if not its own.
        descriptions: What the parameters mean, by name, for those whose annotation does not say it.
        without: Names of parameters that are no input: whoever calls it adds them.
        config: How pydantic reads the arguments, beside what every callable has in common.

    Raises:
        RegistrationError: If a parameter's type cannot be read from JSON.
    """
    hints = hints_of(function)
    signature = inspect.signature(function)
    asked = [one for one in signature.parameters.values() if one.name not in without]
    takes_context = context_first(function, {one.name: hints.get(one.name, Any) for one in asked})
    parameters = Parameters(signature.replace(parameters=asked[int(takes_context) :]))
    model = _model_of(name or name_of(function), parameters, hints, descriptions or {}, config)
    output_type, output_schema = _output(result_type(function, hints))
    input_schema = _json_schema(model)
    shown = name or name_of(function)
    return CallableSchema(
        shown,
        takes_context,
        parameters,
        input_schema,
        output_schema,
        output_type,
        model,
        hints.get(parameters.names.rest or "", Any),
        hints.get(parameters.names.extra or "", Any),
    )


def _model_of(
    name: str,
    parameters: Parameters,
    hints: Mapping[str, Any],
    descriptions: Mapping[str, str],
    more: ConfigDict | None,
) -> type[BaseModel]:
    """Build the model that validates the named arguments; its fields are numbered, so any name may be one."""
    fields: dict[str, Any] = {}
    for number, parameter in enumerate(parameters.by_name.values()):
        hint = hints.get(parameter.name, Any)
        _check(name, parameter, hint)
        fields[f"p{number}"] = (hint, _field(parameter, hint, descriptions.get(parameter.name)))
    config = ConfigDict(extra="allow" if parameters.names.extra else "forbid", title=name)
    config.update(more or {})
    return create_model("Input", __config__=config, **fields)


def _check(name: str, parameter: Parameter, hint: Any) -> None:
    if isinstance(parameter.default, FieldInfo):
        raise RegistrationError(
            f"{name}: write {parameter.name}: Annotated[..., Field(...)], with a plain default if it has one",
        )
    if adapter_of(hint) is None:
        raise RegistrationError(f"{name}: {parameter.name}: {hint} cannot be read from JSON; {_remedy(hint)}")


def _remedy(hint: Any) -> str:
    """Say what to write in place of an annotation that cannot be read: what pydantic asks for, if it knows."""
    try:
        TypeAdapter(hint)
    except PydanticSchemaGenerationError:
        pass
    except PydanticUserError as error:
        return error.message
    return "use a pydantic model, a dataclass or a type of the standard library"


def _field(parameter: Parameter, hint: Any, description: str | None) -> Any:
    said: dict[str, Any] = {"alias": parameter.name}
    if (text := _text_of(hint) or description) and not _is_described(hint):
        said["description"] = text
    if parameter.default is not Parameter.empty:
        said["default"] = parameter.default
    return Field(**said)


def _is_described(hint: Any) -> bool:
    return any(isinstance(extra, FieldInfo) and extra.description for extra in _extras(hint))


def _text_of(hint: Any) -> str | None:
    """Find what `Annotated[int, "how many"]` says."""
    return next((extra for extra in _extras(hint) if isinstance(extra, str)), None)


def _extras(hint: Any) -> tuple[Any, ...]:
    return get_args(hint)[1:] if get_origin(hint) is Annotated else ()


def _checked(values: dict[Any, Any], kind: Any) -> dict[Any, Any]:
    """Validate what `*args` or `**kwargs` get, by the type that they are annotated with."""
    adapter = None if kind in (Any, list[Any]) else adapter_of(dict[str, kind])
    return values if adapter is None or not any(values.values()) else adapter.validate_json(to_json(values))


def _arranged(parameters: Parameters, given: dict[str, Any], rest: list[Any]) -> Arguments:
    """Put the given arguments in their places: by position where they must be, by name elsewhere."""
    positional: list[Any] = []
    for parameter in parameters.by_name.values():
        by_place = parameter.kind is Parameter.POSITIONAL_ONLY or rest
        if by_place and parameter.kind is not Parameter.KEYWORD_ONLY:
            positional.append(given.pop(parameter.name, parameter.default))
    return Arguments((*positional, *rest), given)


def _output(hint: Any) -> tuple[Any, dict[str, Any]]:
    adapter = None if hint is Any else adapter_of(hint)
    if adapter is None:
        return Any, {}
    return hint, adapter.json_schema(mode="serialization", schema_generator=_Plain)


def _json_schema(model: type[BaseModel]) -> dict[str, Any]:
    schema = model.model_json_schema(schema_generator=_Plain)
    return {
        "type": "object",
        "properties": {},
        **{key: part for key, part in schema.items() if key != "title"},
    }


class _Plain(GenerateJsonSchema):
    """JSON Schema without titles that repeat the name, and silent about defaults that JSON cannot carry."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def emit_warning(self, kind: Any, detail: str) -> None:
        """Say nothing: the default is left out of the schema, and still used."""
