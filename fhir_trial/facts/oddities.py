"""What was read and could not be used, as named issues: a unit that no table knows, a drug that nobody can tell (VER-10).

Never a value, a unit or a name of the record in the text: people may have typed anything there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from fhir_trial.facts.medications import Unidentified
from fhir_trial.facts.results import LabResult
from fhir_trial.records.model import Issue

_RESULTS: Final = {
    "unit-missing": ("valueQuantity.unit", "A number without a unit decides nothing (R9)."),
    "unit-not-understood": ("valueQuantity.code", "The unit is none that this kind of result can have."),
    "implausible": ("valueQuantity.value", "The value is not plausible in its unit (R8)."),
    "not-a-number": ("value[x]", "The value holds no number that can be read."),
    "no-date": ("effective[x]", "Without a date a result decides nothing."),
}


def result_issues(results: Iterable[LabResult]) -> Iterator[Issue]:
    """One for each result that its unit, value or date makes useless."""
    for result in results:
        told = _RESULTS.get(result.problem or "")
        if told is not None:
            path, text = told
            yield Issue(str(result.problem), "warning", result.observation.origin.reference, path, f"{result.analyte}: {text}")


def medication_issues(unidentified: Iterable[Unidentified]) -> Iterator[Issue]:
    """One for each drug that cannot be told: unknown and listed, never "not taken" (DATA-33).

    A reference that leads nowhere, or a modifierExtension, was named when the record was read.
    """
    for drug in unidentified:
        if not drug.use.medication.resolved or drug.use.unusable is not None:
            continue
        text = "Which drug it is cannot be told: it may be any."
        yield Issue("medication-not-recognised", "warning", drug.use.origin.reference, "medication[x]", text)
