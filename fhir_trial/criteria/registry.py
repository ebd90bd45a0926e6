"""The kinds of criteria, by the names that trial files use."""

from __future__ import annotations

from fhir_trial.criteria.above_normal import AboveNormal
from fhir_trial.criteria.age import Age
from fhir_trial.criteria.childbearing import ChildbearingPotential
from fhir_trial.criteria.classification import ClassifiedDisease
from fhir_trial.criteria.condition import OnRecord
from fhir_trial.criteria.consent import InformedConsent
from fhir_trial.criteria.discretion import LabWithDiscretion
from fhir_trial.criteria.drug_exposure import TreatedWith
from fhir_trial.criteria.egfr import Egfr
from fhir_trial.criteria.kind import Kind
from fhir_trial.criteria.lab import LabLimit
from fhir_trial.criteria.negative_test import NegativeTest
from fhir_trial.criteria.no_severe_lesion import NoSevereLesion
from fhir_trial.criteria.normal_multiple import LabTimesUln
from fhir_trial.criteria.normal_report import NormalReport
from fhir_trial.criteria.question import Question
from fhir_trial.criteria.score_total import ScoreTotal
from fhir_trial.criteria.stable_treatment import StableTreatment
from fhir_trial.criteria.titre import TitreAtLeast
from fhir_trial.criteria.treatment_failure import InadequateResponse

KINDS: dict[str, type[Kind]] = {
    "above-normal": AboveNormal,
    "age": Age,
    "childbearing-potential": ChildbearingPotential,
    "classified-disease": ClassifiedDisease,
    "condition": OnRecord,
    "consent": InformedConsent,
    "egfr": Egfr,
    "inadequate-response": InadequateResponse,
    "lab": LabLimit,
    "lab-times-uln": LabTimesUln,
    "lab-with-discretion": LabWithDiscretion,
    "negative-test": NegativeTest,
    "no-severe-lesion": NoSevereLesion,
    "normal-report": NormalReport,
    "question": Question,
    "score-total": ScoreTotal,
    "stable-treatment": StableTreatment,
    "titre": TitreAtLeast,
    "treated-with": TreatedWith,
}
