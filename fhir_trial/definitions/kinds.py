"""Building a kind of criterion from what a trial file writes below its name.

The fields of the kind's dataclass are the keys that may be written; their types say what is expected. Checking is marshmallow's.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Literal

from marshmallow import RAISE, Schema, ValidationError, fields, post_load, validate

from fhir_trial.criteria.combinators import AllOf, AnyOf, AppliesWhen, AtLeast, Not, Part, Reference
from fhir_trial.criteria.kind import Kind
from fhir_trial.criteria.registry import KINDS
from fhir_trial.definitions.yaml_source import nearest

COMBINATORS = ("all", "any", "at-least", "not", "applies-when", "criterion")
_BESIDE_THE_KIND = ("part",)


class RuleField(fields.Field[Part]):
    """A rule: the name of another criterion, or a mapping with exactly one kind (and, inside a composite, the part's name)."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Part:
        if isinstance(value, str):
            return Part(Reference(value))
        if not isinstance(value, dict):
            raise ValidationError("Expected a rule: the id of a criterion, or a kind with its parameters.")
        names = [name for name in value if name not in _BESIDE_THE_KIND]
        if len(names) != 1:
            written = ", ".join(names) or "none"
            raise ValidationError(f"Expected exactly one kind of rule here, found {len(names)}: {written}.")
        return Part(_rule(names[0], value[names[0]]), _part_name(value))


def _part_name(value: dict[str, Any]) -> str | None:
    name = value.get("part")
    if name is not None and not isinstance(name, str):
        raise ValidationError({"part": ["Expected the id of the part, in quotes."]})
    return name


def _rule(name: str, written: Any) -> Kind:
    try:
        match name:
            case "criterion":
                return Reference(fields.String().deserialize(written))
            case "all":
                return AllOf(_parts(written))
            case "any":
                return AnyOf(_parts(written))
            case "not":
                return Not(RuleField().deserialize(written))
            case "at-least":
                counted = _AtLeastSchema().load(written)
                return AtLeast(counted["count"], tuple(counted["of"]))
            case "applies-when":
                applied = _AppliesWhenSchema().load(written)
                return AppliesWhen(applied["condition"], applied["rule"])
            case _:
                return _kind(name, written)
    except ValidationError as error:
        raise ValidationError({name: messages_of(error)}) from None


def _kind(name: str, written: Any) -> Kind:
    if name not in KINDS:
        raise ValidationError(f"Unknown kind of rule '{name}'.{nearest(name, [*KINDS, *COMBINATORS])}")
    return typing.cast(Kind, schema_of(KINDS[name])().load({} if written is None else written))


def messages_of(error: ValidationError) -> Any:
    """Marshmallow's messages as nested dicts and lists, whatever their first shape."""
    return error.normalized_messages()  # type: ignore[no-untyped-call]


def _parts(written: Any) -> tuple[Part, ...]:
    return tuple(fields.List(RuleField(), validate=validate.Length(min=1)).deserialize(written))


class DefinitionSchema(Schema):
    """Every schema of ours: an unknown key is an error that names the nearest right one."""

    class Meta:
        unknown = RAISE

    def handle_error(self, error: ValidationError, data: Any, *, many: bool, **kwargs: Any) -> None:
        messages = error.messages
        if isinstance(messages, dict):
            right = [field.data_key or name for name, field in self.load_fields.items()]
            for key, found in messages.items():
                if found == ["Unknown field."]:
                    messages[key] = [f"Unknown key '{key}'.{nearest(str(key), right)}"]


class _AtLeastSchema(DefinitionSchema):
    count = fields.Integer(required=True, strict=True, validate=validate.Range(min=1))
    of = fields.List(RuleField(), required=True, validate=validate.Length(min=1))


class _AppliesWhenSchema(DefinitionSchema):
    condition = RuleField(required=True)
    rule = RuleField(required=True)


@cache
def schema_of(kind: type) -> type[Schema]:
    """The marshmallow schema of a dataclass; loading gives the dataclass. Its keys are the field names."""
    hints = typing.get_type_hints(kind)
    members: dict[str, Any] = {}
    for field in dataclasses.fields(kind):
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        members[field.name] = field_for(hints[field.name], required=required)

    def build(_self: Schema, data: dict[str, Any], **_: Any) -> Any:
        try:
            return kind(**data)
        except ValueError as error:
            raise ValidationError(str(error)) from None

    members["build"] = post_load(build)
    return type(f"{kind.__name__}Schema", (DefinitionSchema,), members)


def field_for(hint: Any, *, required: bool) -> fields.Field[Any]:
    """The marshmallow field that reads a value of an annotated type."""
    options: dict[str, Any] = {"required": required}
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        options["allow_none"] = type(None) in arguments
        hint = next(argument for argument in arguments if argument is not type(None))
        origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return OneOf([str(choice) for choice in arguments], **options)
    if origin is tuple:
        return _TupleOf(field_for(arguments[0], required=True), **options)
    if hint in _SIMPLE:
        return _SIMPLE[hint](options)
    if dataclasses.is_dataclass(hint):
        return fields.Nested(schema_of(typing.cast(type, hint)), **options)
    raise TypeError(f"No way to write a {hint} in a trial file.")


class _Text(fields.Field[str]):
    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise ValidationError("Expected a text.")
        return str(value)


class OneOf(fields.Field[str]):
    """One of a few words; an unknown one is told the nearest."""

    def __init__(self, right: list[str], **options: Any) -> None:
        super().__init__(**options)
        self.right = right

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        if str(value) not in self.right:
            raise ValidationError(f"Unknown word '{value}'.{nearest(str(value), self.right)}")
        return str(value)


class _TupleOf(fields.Field[tuple[Any, ...]]):
    """A list; one item may stand alone."""

    def __init__(self, item: fields.Field[Any], **options: Any) -> None:
        super().__init__(**options)
        self.items = fields.List(item)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> tuple[Any, ...]:
        return tuple(self.items.deserialize(value if isinstance(value, list) else [value]))


_SIMPLE: dict[Any, Callable[[dict[str, Any]], fields.Field[Any]]] = {
    str: lambda options: _Text(**options),
    bool: lambda options: fields.Boolean(truthy={True}, falsy={False}, **options),
    int: lambda options: fields.Integer(strict=True, **options),
    Part: lambda options: RuleField(**options),
    Kind: lambda options: RuleField(**options),
}
