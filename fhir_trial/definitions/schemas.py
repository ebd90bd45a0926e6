"""What may be written in a trial file, and in a case file's head: marshmallow schemas, in which an unknown key is an error."""

from __future__ import annotations

import re
from typing import Any

from marshmallow import ValidationError, fields, validate

from fhir_trial.definitions.kinds import DefinitionSchema, OneOf, RuleField
from fhir_trial.trials.model import CriterionType, Stage

_NAME = validate.Regexp(re.compile(r"[a-z][a-z0-9_]*\Z"), error="A name is written in lower case with underscores.")
_DATE = validate.Regexp(re.compile(r"\d{4}-\d{2}-\d{2}\Z"), error="Expected a date such as 2026-03-02.")


def _filled(text: str) -> None:
    if not text.strip():
        raise ValidationError("Must not be empty.")


class IdentifierSchema(DefinitionSchema):
    """A business identifier."""

    system = fields.String(required=True, validate=_filled)
    value = fields.String(required=True, validate=_filled)


class CodingSchema(DefinitionSchema):
    """The disease studied, coded."""

    system = fields.String(required=True, validate=_filled)
    code = fields.String(required=True, validate=_filled)
    display = fields.String(required=True, validate=_filled)


class CandidatesSchema(DefinitionSchema):
    """Who is worth screening, where a whole population is looked through."""

    value_sets = fields.List(fields.String(validate=_filled), required=True, validate=validate.Length(min=1))
    words = OneOf(["count", "ignore"], required=True)
    misses = fields.String(required=True, validate=_filled)


class SettingSchema(DefinitionSchema):
    """A named alternative: a whole number (with its least and greatest) or one of some words."""

    default = fields.Raw(required=True)
    says = fields.String(required=True, validate=_filled)
    one_of = fields.List(fields.Raw(), validate=validate.Length(min=2))
    at_least = fields.Integer(strict=True)
    at_most = fields.Integer(strict=True)


class CriterionSchema(DefinitionSchema):
    """One sentence of the protocol."""

    id = fields.String(required=True, validate=_filled)
    type = OneOf([each.value for each in CriterionType], load_default=CriterionType.INCLUSION.value)
    stage = OneOf([each.value for each in Stage], load_default=Stage.PRESCREENING.value)
    title = fields.String(required=True, validate=_filled)
    text = fields.String(required=True, validate=_filled)
    source = fields.String(required=True, validate=_filled)
    rule = RuleField(required=True)
    counts = fields.Boolean(truthy={True}, falsy={False}, load_default=True)
    notes = fields.List(fields.String(validate=_filled), load_default=list)
    questions = fields.List(fields.String(validate=_filled), load_default=list)


class TrialSchema(DefinitionSchema):
    """A version of a trial, one file."""

    trial = fields.String(required=True, validate=_filled)
    version = fields.String(required=True, validate=_filled)
    dated = fields.String(required=True, validate=_DATE)
    title = fields.String(required=True, validate=_filled)
    short_title = fields.String(required=True, validate=_filled)
    source = fields.String(required=True, validate=_filled)
    identifiers = fields.List(fields.Nested(IdentifierSchema), required=True, validate=validate.Length(min=1))
    former_identifiers = fields.List(fields.Nested(IdentifierSchema), load_default=list)
    condition = fields.Nested(CodingSchema, load_default=None)
    candidates = fields.Nested(CandidatesSchema, load_default=None)
    settings = fields.Dict(keys=fields.String(validate=_NAME), values=fields.Nested(SettingSchema), load_default=dict)
    not_evaluated = fields.List(fields.String(validate=_filled), load_default=list)
    questions = fields.List(fields.String(validate=_filled), load_default=list)
    criteria = fields.List(fields.Nested(CriterionSchema), required=True, validate=validate.Length(min=1))


def flattened(messages: Any, path: tuple[str | int, ...] = ()) -> list[tuple[tuple[str | int, ...], str]]:
    """Marshmallow's nested messages as (path, sentence) pairs."""
    if isinstance(messages, dict):
        return [pair for key, inner in messages.items() for pair in flattened(inner, path + _step(key, inner))]
    if isinstance(messages, list):
        return [pair for message in messages for pair in flattened(message, path)]
    return [_in_our_words(path, str(messages))]


_OUR_WORDS = {
    "Field may not be null.": "Must not be empty.",
    "Not a valid string.": "Expected a text; codes and numbers stand in quotes.",
    "Not a valid integer.": "Expected a whole number.",
    "Not a valid boolean.": "Expected true or false.",
    "Not a valid date.": "Expected a date such as 2026-03-02.",
    "Not a valid list.": "Expected a list.",
    "Not a valid mapping type.": "Expected keys with their values.",
    "Invalid input type.": "Expected keys with their values.",
    "Shorter than minimum length 1.": "Expected at least one.",
    "Shorter than minimum length 2.": "Expected at least two.",
    "Must be greater than or equal to 1.": "Expected 1 or more.",
}


def _in_our_words(path: tuple[str | int, ...], message: str) -> tuple[tuple[str | int, ...], str]:
    """A sentence of marshmallow's as one for the author of the file; what is missing is missed where it should stand."""
    if message == "Missing data for required field." and path:
        return path[:-1], f"The key '{path[-1]}' is missing."
    return path, _OUR_WORDS.get(message, message)


def _step(key: str | int, inner: Any) -> tuple[str | int, ...]:
    """No key of the file are "_schema", and "key" and "value", with which marshmallow tells the halves of a Dict apart."""
    return () if key == "_schema" or (key in ("key", "value") and isinstance(inner, dict | list)) else (key,)
