"""The facts of one patient, worked out once and on demand from the record."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from datetime import tzinfo
from functools import cached_property
from typing import TypeVar, cast

from fhir_trial.facts.conditions import ConditionFact, find_conclusions, find_conditions
from fhir_trial.facts.laboratory import LabResult, read_results
from fhir_trial.facts.medications import MedicationHistory, read_history
from fhir_trial.facts.mentions import Mention, find_mentions
from fhir_trial.facts.person import Person, read_person
from fhir_trial.facts.recorded_scores import RecordedTotal, find_totals
from fhir_trial.records.model import PatientRecord
from fhir_trial.terminology import Terminology

T = TypeVar("T")


class FactSheet:
    """Facts by name, each worked out when first asked for.

    Everything on file is in it, whatever its date; those who ask choose their day.
    """

    def __init__(self, record: PatientRecord, terminology: Terminology, zone: tzinfo) -> None:
        self.record = record
        self.terminology = terminology
        self.zone = zone
        self._conditions: dict[str, tuple[ConditionFact, ...]] = {}
        self._once: dict[Hashable, object] = {}
        self._conclusions: dict[str, tuple[ConditionFact, ...]] = {}
        self._mentions: dict[str, tuple[Mention, ...]] = {}
        self._totals: dict[str, tuple[RecordedTotal, ...]] = {}

    @cached_property
    def person(self) -> Person:
        """Age and sex."""
        return read_person(self.record.patient)

    @cached_property
    def _results(self) -> Mapping[str, tuple[LabResult, ...]]:
        return read_results(self.record, self.terminology)

    def results(self, analyte: str) -> tuple[LabResult, ...]:
        """Every result of an analyte, oldest first; derived ones included."""
        return self._results.get(analyte, ())

    @cached_property
    def medications(self) -> MedicationHistory:
        """One timeline per ingredient, from all four resource types."""
        return read_history(self.record, self.terminology)

    def conditions(self, value_set: str) -> tuple[ConditionFact, ...]:
        """Conditions, coded encounter reasons and procedures in a value set, oldest first."""
        found = self._conditions.get(value_set)
        if found is None:
            found = self._conditions[value_set] = find_conditions(self.record, self.terminology.value_set(value_set))
        return found

    def conclusions(self, value_set: str) -> tuple[ConditionFact, ...]:
        """Coded conclusions of reports in a value set, oldest first."""
        found = self._conclusions.get(value_set)
        if found is None:
            found = self._conclusions[value_set] = find_conclusions(self.record, self.terminology.value_set(value_set))
        return found

    def mentions(self, value_set: str) -> tuple[Mention, ...]:
        """Sentences of notes and reports in the words of a value set, oldest first."""
        found = self._mentions.get(value_set)
        if found is None:
            found = self._mentions[value_set] = find_mentions(self.record, self.terminology.value_set(value_set))
        return found

    def totals(self, score: str) -> tuple[RecordedTotal, ...]:
        """Recorded totals of a score, of its other versions too, oldest first."""
        found = self._totals.get(score)
        if found is None:
            found = self._totals[score] = find_totals(self.record, self.terminology.score(score))
        return found

    def once(self, what: Hashable, work_out: Callable[[], T]) -> T:
        """What ``work_out`` finds, worked out once under the name ``what``: for facts that only one kind of criterion needs."""
        if what not in self._once:
            self._once[what] = work_out()
        return cast(T, self._once[what])
