"""A site's overlay, ``mappings/sites/<name>/overlay.yaml``: zone, settings, local codes, spellings, limits of normal."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from marshmallow import ValidationError, fields, post_load, validate

from fhir_trial.definitions.kinds import DefinitionSchema, OneOf, messages_of
from fhir_trial.definitions.schemas import flattened
from fhir_trial.definitions.settings import Value
from fhir_trial.definitions.site_lints import overlay_problems
from fhir_trial.definitions.yaml_source import DefinitionErrors, Problem, YamlFile, nearest, read_yaml
from fhir_trial.errors import UsageError
from fhir_trial.terminology import Coding, LabCode, Member, Overlay, Product, SiteLimit, Strength, Terminology

DEFAULT_BASE = "https://example.org/fhir-trial"


@dataclass(frozen=True, slots=True)
class Site:
    """What a site adds to every trial.

    Attributes:
        settings: Values of named settings, by trial id.
        own_bases: Identifier and code system bases of our own results, the current one first (R40).
        source: The overlay's file, to point at.
    """

    name: str | None = None
    title: str = ""
    time_zone: str = "UTC"
    settings: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)
    own_bases: tuple[str, ...] = (DEFAULT_BASE,)
    overlay: Overlay | None = None
    source: YamlFile | None = None

    @property
    def digest_input(self) -> bytes:
        """What of the site decides an answer: all of its file."""
        return self.source.digest_input if self.source else b""


NO_SITE = Site()


def site_names(mappings: Path) -> list[str]:
    """The sites that have an overlay."""
    return sorted(path.parent.name for path in (mappings / "sites").glob("*/overlay.yaml"))


def load_site(name: str, mappings: Path, terminology: Terminology) -> Site:
    """Reads and checks a site's overlay.

    Raises:
        UsageError: No such site.
        DefinitionError: The overlay is written wrong, or names an analyte, value set or ingredient that does not exist.
    """
    names = site_names(mappings)
    if name not in names:
        raise UsageError(f"Unknown site '{name}'.{nearest(name, names)}")
    path = mappings / "sites" / name / "overlay.yaml"
    source = read_yaml(path, path.relative_to(mappings).as_posix())
    try:
        loaded: dict[str, Any] = OverlaySchema().load(source.content)
    except ValidationError as error:
        raise DefinitionErrors(source.errors(Problem(*found) for found in flattened(messages_of(error)))) from None
    mistakes = source.errors(overlay_problems(loaded, terminology))
    if mistakes:
        raise DefinitionErrors(mistakes)
    return Site(
        name=name,
        title=loaded["title"],
        time_zone=loaded["time_zone"],
        settings=loaded["settings"],
        own_bases=tuple(loaded["own_bases"]),
        overlay=_overlay(name, loaded),
        source=source,
    )


class LocalLabSchema(DefinitionSchema):
    """A local laboratory code."""

    system = fields.String(required=True)
    code = fields.String(required=True)
    name = fields.String(required=True)
    analyte = fields.String(required=True)
    role = OneOf(["accept", "accept_low", "derive", "proxy", "context", "flag", "reject"], load_default="accept")
    part = fields.String(load_default=None)


class LocalConditionSchema(DefinitionSchema):
    """A local diagnosis code."""

    system = fields.String(required=True)
    code = fields.String(required=True)
    name = fields.String(required=True)
    value_set = fields.String(required=True)
    role = fields.String(load_default="yes")


class LocalMedicationSchema(DefinitionSchema):
    """A local product code; ``strength`` as "5 mg", per tablet or other unit."""

    system = fields.String(required=True)
    code = fields.String(required=True)
    name = fields.String(required=True)
    ingredients = fields.List(fields.String(), required=True, validate=validate.Length(min=1))
    strength = fields.String(
        load_default=None, validate=validate.Regexp(re.compile(r"\d+(\.\d+)? mg\Z"), error='Expected a strength such as "5 mg".')
    )
    form = fields.String(load_default=None)
    route = fields.String(load_default=None)

    @post_load
    def strength_in_mg(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        if data["strength"]:
            data["strength"] = Strength(Fraction(data["strength"].removesuffix(" mg")))
        return data


class NormalLimitSchema(DefinitionSchema):
    """A laboratory's limits of normal, for results that come without their own."""

    analyte = fields.String(required=True)
    unit = fields.String(required=True)
    high = fields.String(load_default=None)
    low = fields.String(load_default=None)
    laboratory = fields.String(load_default=None)
    valid_from = fields.Date(load_default=None)
    valid_to = fields.Date(load_default=None)
    sex = OneOf(["female", "male"], load_default=None, allow_none=True)
    age_from = fields.Integer(strict=True, load_default=None)
    age_below = fields.Integer(strict=True, load_default=None)

    @post_load
    def exact(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        for end in ("low", "high"):
            if data[end] is not None:
                try:
                    data[end] = Fraction(data[end])
                except ValueError:
                    raise ValidationError({end: ["Expected a number, in quotes."]}) from None
        return data


class OverlaySchema(DefinitionSchema):
    """mappings/sites/<name>/overlay.yaml."""

    title = fields.String(required=True)
    time_zone = fields.String(load_default="UTC")
    settings = fields.Dict(keys=fields.String(), values=fields.Dict(keys=fields.String(), values=fields.Raw()), load_default=dict)
    own_bases = fields.List(fields.String(), load_default=lambda: [DEFAULT_BASE], validate=validate.Length(min=1))
    laboratory = fields.List(fields.Nested(LocalLabSchema), load_default=list)
    conditions = fields.List(fields.Nested(LocalConditionSchema), load_default=list)
    medications = fields.List(fields.Nested(LocalMedicationSchema), load_default=list)
    unit_aliases = fields.Dict(
        keys=fields.String(), values=fields.Dict(keys=fields.String(), values=fields.String()), load_default=dict
    )
    words = fields.Dict(keys=fields.String(), values=fields.Dict(keys=fields.String(), values=fields.String()), load_default=dict)
    normal_limits = fields.List(fields.Nested(NormalLimitSchema), load_default=list)


def _overlay(site: str, loaded: Mapping[str, Any]) -> Overlay:
    members: dict[str, list[Member]] = {}
    for row in loaded["conditions"]:
        members.setdefault(row["value_set"], []).append(Member(row["system"], row["code"], row["name"], row["role"]))
    return Overlay(
        site=site,
        lab_codes=tuple(
            LabCode(row["analyte"], row["role"], row["system"], row["code"], row["name"], row["part"], local=True)
            for row in loaded["laboratory"]
        ),
        members={name: tuple(rows) for name, rows in members.items()},
        products={
            Coding(row["system"], row["code"]): Product(tuple(row["ingredients"]), row["strength"], row["form"], row["route"])
            for row in loaded["medications"]
        },
        unit_aliases=loaded["unit_aliases"],
        words=loaded["words"],
        limits=tuple(SiteLimit(**row) for row in loaded["normal_limits"]),
    )
