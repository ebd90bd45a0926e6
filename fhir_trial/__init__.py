"""fhir_trial: finds the patients a clinical trial is looking for in FHIR data, says why, and carries the decision back.

    import fhir_trial

    trial = fhir_trial.load_trial("nct06789107")
    for verdict in fhir_trial.screen("sample_bundles", trial, as_of=date(2026, 3, 2)):
        print(verdict.patient, verdict.overall, verdict.missing)

Each name is imported when first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fhir_trial.version import __version__

if TYPE_CHECKING:
    from fhir_trial.contract.verdicts import verdict_json
    from fhir_trial.criteria.answers import Answer, Evidence, Outcome, Why
    from fhir_trial.definitions.trial_files import load_trial
    from fhir_trial.screening.screen import screen_patient
    from fhir_trial.trials.model import ResolvedTrial
    from fhir_trial.verdict.model import Overall, Verdict
    from fhir_trial.wiring.library import screen

_HOMES = {
    "Answer": "fhir_trial.criteria.answers",
    "Evidence": "fhir_trial.criteria.answers",
    "Outcome": "fhir_trial.criteria.answers",
    "Overall": "fhir_trial.verdict.model",
    "ResolvedTrial": "fhir_trial.trials.model",
    "Verdict": "fhir_trial.verdict.model",
    "Why": "fhir_trial.criteria.answers",
    "load_trial": "fhir_trial.definitions.trial_files",
    "screen": "fhir_trial.wiring.library",
    "screen_patient": "fhir_trial.screening.screen",
    "verdict_json": "fhir_trial.contract.verdicts",
}

__all__ = [
    "Answer",
    "Evidence",
    "Outcome",
    "Overall",
    "ResolvedTrial",
    "Verdict",
    "Why",
    "__version__",
    "load_trial",
    "screen",
    "screen_patient",
    "verdict_json",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'fhir_trial' has no attribute '{name}'")
    return getattr(import_module(home), name)
