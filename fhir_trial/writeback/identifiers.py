"""Identifiers that come out the same on every run, so that a retry finds what it wrote (WB-05)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from fhir_trial.criteria.answers import Answer
from fhir_trial.trials.model import Identifier, ResolvedTrial
from fhir_trial.verdict.model import Verdict


def subject_system(base: str) -> str:
    """Identifier system of our ResearchSubjects."""
    return f"{base}/research-subject"


def run_system(base: str) -> str:
    """Identifier system of our eligibility Observations."""
    return f"{base}/screening-run"


def note_system(base: str) -> str:
    """Identifier system of our notes for people."""
    return f"{base}/screening-note"


def study_system(base: str) -> str:
    """Identifier system of our own names for studies."""
    return f"{base}/study"


def study_identifier(trial: ResolvedTrial) -> Identifier:
    """The registry's identifier of the study; our own name for it where it has none."""
    if trial.trial.identifiers:
        return trial.trial.identifiers[0]
    return Identifier(study_system(trial.own_bases[0]), trial.trial.id)


def subject_value(tenant: str, study: str, patient: str, episode: int = 1) -> str:
    """``rs-`` and 16 hex digits.

    Args:
        study: Value of the study's identifier, "NCT06789107".
        patient: ``Patient/id``.
        episode: A new screening after a failure is a new episode.
    """
    return "rs-" + _hash(tenant, study, patient, str(episode))[:16]


def run_value(tenant: str, study: str, verdict: Verdict, trial: ResolvedTrial, predecessor: str | None) -> str:
    """``run-`` and 32 hex digits: of whom it is, what was found, by which rules, after which earlier result.

    No clock and no prose. The first half says whose run it is (``runs_begin``); by it two tenants on one server know theirs.

    Args:
        predecessor: Identifier value of the result that this one replaces, or None.
    """
    content = [line for criterion, answer in verdict.answers for line in _lines(criterion.id, answer)]
    found = _hash(tenant, study, verdict.patient, verdict.version, trial.digest, predecessor or "", *content)[:16]
    return runs_begin(tenant, study, verdict.patient) + found


def runs_begin(tenant: str, study: str, patient: str) -> str:
    """How every run of a tenant about a patient and a study begins: ``run-`` and 16 hex digits."""
    return "run-" + _hash(tenant, study, patient)[:16]


def _lines(name: str, answer: Answer) -> Iterator[str]:
    evidence = sorted({f"{item.origin.reference}@{item.origin.version or ''}" for item in answer.evidence})
    yield " ".join([name, answer.outcome, answer.why or "-", *evidence])
    for part, inner in answer.parts:
        yield from _lines(f"{name}/{part}", inner)


def _hash(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
