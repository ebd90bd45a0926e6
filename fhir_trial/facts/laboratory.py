"""Laboratory results, vital signs and measured findings of one patient, by analyte.

Rules: DATA-57 to DATA-66, R7 to R9, R30 to R37. Everything is kept, readable or not, with the word for what is wrong: what
decides is the business of who asks. Source: FHIR R4 Observation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from msgspec.structs import replace

from fhir_trial.facts.derived import add_derived
from fhir_trial.facts.latest import Band, Candidate, candidates
from fhir_trial.facts.ranges import WhoseRange, normal_ranges
from fhir_trial.facts.results import NO_RANGES, LabResult, NormalRange, Ranges
from fhir_trial.facts.values import Reading, converter_for, read_value
from fhir_trial.records.model import Observation, PatientRecord
from fhir_trial.terminology import Concept, LabCode, LabDefinition, Terminology

_STATUS_PROBLEMS: Final = {"modifier-extension": "modifier"}
_ROLES: Final = ("reject", "accept", "accept_low", "derive", "proxy", "flag", "context", "panel", "order", "deprecated")
_NEVER_USED: Final = frozenset({"reject", "deprecated", "order", "panel"})
_POSITIVE: Final = frozenset({"positive", "above", "abnormal"})
_NEGATIVE: Final = frozenset({"negative", "within"})
_NOTHING: Final[frozenset[str]] = frozenset()
#: What several flags together say: the doubtful word first, a direction before "abnormal".
_FLAGS: Final = ("indeterminate", "weak", "positive", "above", "below", "negative", "within", "abnormal")


def read_results(record: PatientRecord, terminology: Terminology) -> Mapping[str, tuple[LabResult, ...]]:
    """Every result by analyte, oldest first, derived ones included; future-dated and unusable ones too."""
    found: dict[str, list[LabResult]] = {}
    reader = _ResultReader(terminology, WhoseRange.of(record.patient))
    for observation in record.observations:
        for result in reader.results(observation):
            found.setdefault(result.analyte, []).append(result)
    return {analyte: tuple(sorted(results, key=_age)) for analyte, results in add_derived(found, terminology).items()}


def results_until(results: Iterable[LabResult], as_of: date) -> tuple[LabResult, ...]:
    """Those that may be evidence on that day: dated, and not after it (R44)."""
    return tuple(result for result in results if result.span is not None and result.span.first <= as_of)


def is_valid(result: LabResult) -> bool:
    """Whether it is a result at all for "the latest valid result decides": readable, of the analyte itself.

    An implausible one is not passed over (R8).
    """
    return result.speaks and (result.usable or result.problem == "implausible") and result.possible is not None


def deciding(
    results: Iterable[LabResult], as_of: date, *, prefer_method: bool = False, valid: Callable[[LabResult], bool] = is_valid
) -> tuple[Candidate, ...]:
    """The latest valid result on ``as_of``; several where a partial date, or nothing at all, orders them (R30, R31); else none.

    ``Candidate.band(as_of, fresh_days, stale_days)`` says whether it decides, is stale, is too old, or may be either.
    """
    return candidates([result for result in results_until(results, as_of) if valid(result)], as_of, prefer_method=prefer_method)


@dataclass(frozen=True, slots=True)
class _ResultReader:
    terminology: Terminology
    whose: WhoseRange

    def results(self, observation: Observation) -> Iterator[LabResult]:
        codes = self.terminology.lab_codes(observation.code)
        if codes:
            for code in _one_each(codes):
                yield self._result(observation, code.analyte, code)
                if observation.value is None and observation.siblings and self._is_titre(code):
                    yield from self._patterns(observation, code)
            return
        named = self.terminology.lab_by_text(observation.code, observation.specimen)
        if named:
            yield self._result(observation, self._of_family(observation, named), None)

    def _result(self, observation: Observation, analyte: str, code: LabCode | None) -> LabResult:
        definition = self.terminology.laboratory(analyte)
        reading = read_value(observation, code, definition, self.terminology)
        role = "text" if code is None else code.role
        return LabResult(
            analyte=analyte,
            role=role,
            part=None if code is None else code.part,
            preference=2 if code is None else code.preference,
            observation=observation,
            span=observation.effective,
            possible=reading.possible,
            finding=reading.finding,
            flag=self._flag(observation.interpretation),
            own_ranges=self._ranges(observation, reading, definition),
            problem=_problem(observation, reading, role),
            original=reading.original,
            unit=reading.unit,
            code=None if code is None else code.code,
            method=None if code is None else code.method,
            is_titre=reading.is_titre,
        )

    def _is_titre(self, code: LabCode) -> bool:
        return self.terminology.laboratory(code.analyte).kind == "titre"

    def _patterns(self, observation: Observation, code: LabCode) -> Iterator[LabResult]:
        """Titres by pattern, in components that only words name ("speckled"), are of the whole's own titre (units, section 2)."""
        for part in observation.siblings:
            known = part.code.claims_a_standard() or self.terminology.lab_codes(part.code)
            if not known and not self.terminology.lab_by_text(part.code, part.specimen):
                result = self._result(replace(part, code=observation.code), code.analyte, code)
                if result.is_titre:
                    yield result

    def _ranges(self, observation: Observation, reading: Reading, definition: LabDefinition) -> Ranges:
        if not observation.ranges:
            return NO_RANGES

        def work_out() -> tuple[NormalRange, ...]:
            convert = converter_for(reading, definition)
            return normal_ranges(observation.ranges, self.whose, observation.effective, convert, self._says_negative)

        return Ranges(work_out)

    def _says_negative(self, text: str) -> bool:
        return self.terminology.qualitative(text) == "negative"

    def _flag(self, interpretation: Sequence[Concept]) -> str | None:
        if not interpretation:
            return None
        if len(interpretation) == 1:  # nearly always
            said = self.terminology.interpretation(interpretation[0])
        else:
            said = _NOTHING.union(*[self.terminology.interpretation(concept) for concept in interpretation])
        if len(said) == 1:
            (only,) = said
            return only if only in _FLAGS else None
        if said & _POSITIVE and said & _NEGATIVE:
            return "indeterminate"  # flags that contradict each other are for a person
        return next((meaning for meaning in _FLAGS if meaning in said), None)

    def _of_family(self, observation: Observation, named: tuple[str, ...]) -> str:
        """An antibody's name stands for titre, quantity and presence: the kind of the value tells which."""
        if len(named) == 1:
            return named[0]
        kinds = {self.terminology.laboratory(analyte).kind: analyte for analyte in reversed(named)}
        quantity = kinds.get("quantity", named[0])
        reading = read_value(observation, None, self.terminology.laboratory(quantity), self.terminology)
        if reading.is_titre:
            return kinds.get("titre", named[0])
        return quantity if reading.possible is not None else kinds.get("presence", named[0])


def _one_each(codes: tuple[LabCode, ...]) -> Iterator[LabCode]:
    """One code per analyte: a known wrong one spoils a general one beside it (post exercise beside the vital-signs code)."""
    if len(codes) == 1:
        return iter(codes)
    best: dict[str, LabCode] = {}
    for code in sorted(codes, key=lambda code: (_ROLES.index(code.role), code.preference)):
        best.setdefault(code.analyte, code)
    return iter(best.values())


def _problem(observation: Observation, reading: Reading, role: str) -> str | None:
    if observation.unusable is not None:
        return _STATUS_PROBLEMS.get(observation.unusable, "not-final")
    if observation.effective is None:
        return "no-date"
    return reading.problem or ("rejected" if role in _NEVER_USED else None)


def _age(result: LabResult) -> tuple[object, ...]:
    day, issued, updated = result.order
    instant = result.span.instant if result.span and result.span.instant else None
    return day, instant is not None, instant or issued, issued, updated, result.observation.origin.reference


__all__ = [
    "Band",
    "Candidate",
    "LabResult",
    "NormalRange",
    "deciding",
    "is_valid",
    "read_results",
    "results_until",
]
