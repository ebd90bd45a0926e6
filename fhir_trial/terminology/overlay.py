"""What one hospital adds: its local codes, spellings, flags and its laboratories' limits.

The definitions room reads mappings/sites/<hospital>/overlay.yaml and hands these plain frozen values over; identifier bases, time
zone and settings of the site stay there, they are no terminology.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction

from fhir_trial.terminology.concepts import Coding
from fhir_trial.terminology.drugs import Product
from fhir_trial.terminology.laboratory import LabCode
from fhir_trial.terminology.value_sets import Member


@dataclass(frozen=True, slots=True)
class SiteLimit:
    """A laboratory's limits of normal for an analyte while nothing came with the result (R10).

    Attributes:
        laboratory: The performer as the site names it; None for every laboratory of the site.
        low, high: In `unit`.
        valid_from, valid_to: Both days included; None: open.
        sex: FHIR gender word; None: both.
        age_from, age_below: Completed years, half open; None: open.
    """

    analyte: str
    unit: str
    high: Fraction | None = None
    low: Fraction | None = None
    laboratory: str | None = None
    valid_from: date | None = None
    valid_to: date | None = None
    sex: str | None = None
    age_from: int | None = None
    age_below: int | None = None

    def covers(self, analyte: str, on: date, laboratory: str | None, sex: str | None, age: int | None) -> bool:
        """Whether it speaks about this result; what the limit demands and the result does not say, does not match."""
        if analyte != self.analyte or (self.laboratory is not None and self.laboratory != laboratory):
            return False
        if (self.valid_from is not None and on < self.valid_from) or (self.valid_to is not None and on > self.valid_to):
            return False
        if self.sex is not None and self.sex != sex:
            return False
        if self.age_from is None and self.age_below is None:
            return True
        return age is not None and (self.age_from or 0) <= age and (self.age_below is None or age < self.age_below)


@dataclass(frozen=True, slots=True)
class Overlay:
    """Everything a site adds. All of it wins over the shipped tables.

    Attributes:
        lab_codes: Local codes, `LabCode(analyte, role, system, code, ..., local=True)`.
        members: Value set name to rows in front of its own.
        products: Local medication codes; ingredients by the names of medications.csv.
        unit_aliases: Analyte to {spelling: a unit the analyte already knows}.
        words: Concept map name (interpretation, qualitative, route, timing, dose_unit) to {word: meaning}.
        word_codes: Concept map name to {(system, code): meaning}.
        limits: Tables of normal limits.
    """

    site: str
    lab_codes: tuple[LabCode, ...] = ()
    members: Mapping[str, tuple[Member, ...]] = field(default_factory=dict)
    products: Mapping[Coding, Product] = field(default_factory=dict)
    unit_aliases: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    words: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    word_codes: Mapping[str, Mapping[tuple[str, str], str]] = field(default_factory=dict)
    limits: tuple[SiteLimit, ...] = ()
