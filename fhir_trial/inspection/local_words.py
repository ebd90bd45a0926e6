"""Local codes and units of the sample that no mapping knows, ranked by the patients who have them (DATA-15, DATA-61).

Codes and units are shown as they stand, words never: a display may hold a name. What does not look like a code or a unit is
counted and not shown.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from fhir_trial.inspection.findings import LocalWords, UnknownCode, UnknownUnit
from fhir_trial.records.model import Observation, PatientRecord, Quantity
from fhir_trial.terminology import Concept, Terminology
from fhir_trial.terminology.systems import ATC, CPT, ICD_SYSTEMS, LOINC, NDC, RXNORM, SNOMED
from fhir_trial.terminology.units import conversion
from fhir_trial.trials.model import ResolvedTrial

_PUBLISHED = frozenset({LOINC, SNOMED, RXNORM, ATC, CPT, NDC}) | ICD_SYSTEMS
_PUBLISHED_UNDER = ("http://terminology.hl7.org/", "http://hl7.org/fhir/", "urn:iso:")
_LIKE_A_CODE = re.compile(r"[^\s@/]{1,24}")
_LIKE_A_SYSTEM = re.compile(r"(?:https?://|urn:)[^\s?#@]{1,200}")
_LONG_NUMBER_OR_WORD = re.compile(r"\d{5}|[A-Za-z]{9}")
_LONGEST_UNIT = 24

_CodeKey = tuple[str, str, str]
_UnitKey = tuple[str, str]


def local_words(records: Iterable[PatientRecord], trial: ResolvedTrial) -> LocalWords:
    """What a site overlay could teach, most patients first."""
    readers = _criteria_by_analyte(trial)
    codes: Counter[_CodeKey] = Counter()
    units: Counter[_UnitKey] = Counter()
    withheld = 0
    for record in records:
        of_one = set(_unknown_codes(record, trial.terminology))
        shown = {key for key in of_one if _LIKE_A_SYSTEM.fullmatch(key[1]) and _LIKE_A_CODE.fullmatch(key[2])}
        codes.update(shown)
        of_one_units = {key for key in _unknown_units(record, trial.terminology) if key[0] in readers}
        shown_units = {key for key in of_one_units if len(key[1]) <= _LONGEST_UNIT and not _LONG_NUMBER_OR_WORD.search(key[1])}
        units.update(shown_units)
        withheld += len(of_one) - len(shown) + len(of_one_units) - len(shown_units)
    return LocalWords(
        tuple(UnknownCode(*key, count) for key, count in sorted(codes.items(), key=lambda item: (-item[1], item[0]))),
        tuple(
            UnknownUnit(*key, count, readers[key[0]])
            for key, count in sorted(units.items(), key=lambda item: (-item[1], item[0]))
        ),
        withheld,
    )


def _criteria_by_analyte(trial: ResolvedTrial) -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for criterion in trial.trial.criteria:
        for need in criterion.rule.needs().needs:
            for analyte in need.laboratory:
                found.setdefault(analyte, {})[criterion.id] = None
    return {analyte: tuple(ids) for analyte, ids in found.items()}


def _unknown_codes(record: PatientRecord, terminology: Terminology) -> Iterator[_CodeKey]:
    for observation in record.observations:
        code = observation.code
        if not terminology.lab_codes(code) and not terminology.lab_by_text(code, observation.specimen):
            yield from _local("laboratory", code)
    for condition in record.conditions:
        if not any(value_set.member(condition.code) for value_set in terminology.value_sets.values()):
            yield from _local("conditions", condition.code)
    for use in record.medications:
        if terminology.drug(use.medication.code) is None:
            yield from _local("medications", use.medication.code)


def _local(section: str, concept: Concept) -> Iterator[_CodeKey]:
    """The local codings of a concept that has no other: one with a published code is known to be something else."""
    systems = [coding.system for coding in concept.codings]
    if not any(system in _PUBLISHED or system.startswith(_PUBLISHED_UNDER) for system in systems):
        yield from ((section, coding.system, coding.code) for coding in concept.codings if coding.system and coding.code)


def _unknown_units(record: PatientRecord, terminology: Terminology) -> Iterator[_UnitKey]:
    for observation in record.observations:
        unit = _unit(observation)
        if unit is None:
            continue
        for code in terminology.lab_codes(observation.code):
            definition = terminology.laboratory(code.analyte)
            if code.decides and definition.kind == "quantity" and definition.has_unit and conversion(unit, definition) is None:
                yield code.analyte, unit


def _unit(observation: Observation) -> str | None:
    return observation.value.unit if isinstance(observation.value, Quantity) else None
