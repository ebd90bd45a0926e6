"""What a laboratory result is about: its codes, its unit and what is plausible.

Source: mappings/facts/laboratory.yaml and mappings/sources/labs.csv.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class LabCode:
    """One code of one analyte.

    Attributes:
        analyte: A concept of laboratory.yaml, e.g. "anc".
        role: accept (decides), accept_low (decides, prefer another), derive (input to a calculation), proxy (hint, never
            decides), context (shown), flag (warns about another result), order, panel, deprecated, reject (known, not used).
        part: What of the analyte it measures when not the whole: segs, bands, granulocytes, percent, cd20, cd20_percent,
            pattern, quantitative, inspired_concentration, flow, device, ...
        method: How: mr, biplane, visual, ckd_epi, mdrd, schwartz, hep2, rat_liver, rodent, immunoassay, ...
        preference: 1 before 2 before 3 among results of the same day (R25).
        fixes_unit: The code itself says the unit, as eGFR per 1.73 m2 does (R9).
        local: Added by a site's overlay.
    """

    analyte: str
    role: str
    system: str
    code: str
    display: str | None = None
    part: str | None = None
    method: str | None = None
    preference: int = 2
    fixes_unit: bool = False
    local: bool = False

    @property
    def decides(self) -> bool:
        return self.role in ("accept", "accept_low")


@dataclass(frozen=True, slots=True)
class LabDefinition:
    """An analyte.

    Attributes:
        kind: quantity, titre, presence, score, or narrative (reports, images).
        unit: The canonical UCUM unit, None where none exists.
        units: Every accepted spelling, normalised by `units.tidy`, with its exact factor into `unit`.
        offsets: Spellings whose scale starts elsewhere (Fahrenheit): canonical = value * factor + offset.
        strict_case: Spellings that are only right in their own case (`G/L`).
        open_units: Other units of the same dimension may be converted by UCUM.
        own_units: Assays differ: a number is only compared with its own result's reference range.
        plausible_low, plausible_high: In `unit`; a value outside is unusable (R8). None: not stated.
        decides_days, stale_days: Oldest age that decides, and oldest that is worth a clinician's look. None: no default.
        family: Analytes that share a name in words, told apart by the kind of their value.
        upper_hint: Where no range came with the result: "surely within" at or below this (R10), in `unit`.
    """

    analyte: str
    kind: str
    unit: str | None = None
    units: Mapping[str, Fraction] = field(default_factory=dict)
    offsets: Mapping[str, Fraction] = field(default_factory=dict)
    strict_case: frozenset[str] = frozenset()
    has_unit: bool = True
    open_units: bool = False
    own_units: bool = False
    fixed_unit: bool = False
    percent_or_fraction: bool = False
    plausible_low: Fraction | None = None
    plausible_high: Fraction | None = None
    decides_days: int | None = None
    stale_days: int | None = None
    upper_hint: Fraction | None = None
    family: tuple[str, ...] = ()

    def is_plausible(self, value: Fraction) -> bool:
        """Whether a value in the canonical unit lies inside the plausible range, both ends included."""
        above = self.plausible_low is None or value >= self.plausible_low
        return above and (self.plausible_high is None or value <= self.plausible_high)
