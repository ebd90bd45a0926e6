"""Screenings of a sample patient, for the tests of what is kept of them."""

from __future__ import annotations

import copy
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from fhir_trial.contract.verdicts import verdict_json
from fhir_trial.definitions.trial_files import load_trial
from fhir_trial.people.answers import GivenAnswer, give_on
from fhir_trial.screening.inputs import inputs_of
from fhir_trial.screening.ports import AnswerBook, RawPatient
from fhir_trial.screening.screen import screen_patient
from fhir_trial.sources.files import FileSource
from fhir_trial.store import Asked, KeptScreening, Keyring, StoreAnswers, StoreScreenings
from fhir_trial.trials.adjudication import Person, Says
from fhir_trial.trials.model import ResolvedTrial
from fhir_trial.verdict.model import Verdict
from fhir_trial.version import SOFTWARE

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
AS_OF = date(2026, 3, 2)
SERVER = "https://ehr.example.invalid/fhir"
ANNA = Person("https://login.example.invalid", "anna", "Anna")
BEN = Person("https://login.example.invalid", "ben", "Ben")
SAMPLES = Path(__file__).parents[3] / "sample_bundles"
#: Undecided in the sample: a person must read the electrocardiogram.
OPEN = "C7.6b"


@lru_cache(maxsize=1)
def trial() -> ResolvedTrial:
    return load_trial("nct06789107")


@lru_cache(maxsize=1)
def raw() -> RawPatient:
    """A patient whose ejection fraction is missing."""
    (one,) = FileSource([SAMPLES / "lvef-missing.json"]).patients(trial().needs)
    return one


def named(reference: str) -> RawPatient:
    """The same chart under another name."""
    return replace(raw(), reference=reference)


def newer(version: str, on: RawPatient | None = None) -> RawPatient:
    """The same chart, each resource in another version."""
    changed: dict[int, dict[str, Any]] = {}
    before = on or raw()
    for one in (*before.patients, *before.resources):
        changed[id(one)] = copy.deepcopy(one) | {"meta": {"versionId": version}}
    return replace(
        before,
        patients=[changed[id(one)] for one in before.patients],
        resources=[changed[id(one)] for one in before.resources],
        by_reference={name: changed.get(id(one), one) for name, one in before.by_reference.items()},
        names={id(changed[name]): text for name, text in before.names.items() if name in changed},
    )


def screened(on: RawPatient | None = None, answers: AnswerBook | None = None, as_of: date = AS_OF) -> Verdict:
    return screen_patient(on or raw(), trial(), as_of=as_of, answers=answers)


def asked(minutes: int = 0, subject: str = "anna", issuer: str | None = ANNA.issuer) -> Asked:
    return Asked(NOW + timedelta(minutes=minutes), issuer, subject, "req-1")


class Shelf:
    """Screenings and answers of one tenant."""

    def __init__(self, engine: Engine, keys: Keyring, tenant: str = "north", server: str = SERVER) -> None:
        self.screenings = StoreScreenings(engine, keys, tenant, server)
        self.answers = StoreAnswers(engine, keys, tenant, server)

    def keep(self, on: RawPatient | None = None, minutes: int = 0) -> KeptScreening:
        """Screens with what people answered so far, and keeps it."""
        chart = on or raw()
        verdict = screened(chart, self.answers)
        return self.keep_verdict(verdict, chart, minutes)

    def keep_verdict(self, verdict: Verdict, chart: RawPatient | None = None, minutes: int = 0) -> KeptScreening:
        return self.screenings.keep(
            verdict,
            verdict_json(verdict),
            asked(minutes),
            definition=trial().digest or "none",
            software=SOFTWARE,
            inputs=inputs_of(chart or raw()),
            basis=None,
        )

    def said(
        self, on: KeptScreening, says: Says = Says.MET, *, by: Person = ANNA, minutes: int = 1, criterion: str = OPEN,
        reason: str | None = "Seen on paper.",
    ) -> GivenAnswer:  # fmt: skip
        shown = self.screenings.shown(on.id)
        assert shown is not None
        return give_on(shown, criterion, says, by=by, at=NOW + timedelta(minutes=minutes), reason=reason)
