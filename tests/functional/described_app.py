"""The service behind its door, with every port plugged in from memory: what the tests of the OpenAPI document ask."""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import structlog
from flask import Flask

from fhir_trial.audit import Actor
from fhir_trial.config import Settings
from fhir_trial.contract.verdicts import verdict_json
from fhir_trial.criteria.answers import say
from fhir_trial.definitions.trial_files import TrialFile
from fhir_trial.people.deciding import Decision
from fhir_trial.trials.model import ResolvedTrial
from fhir_trial.web import create_app
from fhir_trial.web.rules import Role
from fhir_trial.web.service import Ports
from fhir_trial.wiring.service import Screening
from fhir_trial.writeback import Action, WriteResult
from tests.unit.web import stores as fakes
from tests.unit.web.identities import AUDIENCE, ISSUER, claims, jwks, token
from tests.unit.web.services import FakeService
from tests.unit.web.stores import FakeDecisions, FakeGrants, FakeKeys, FakeScreenings, StoredPlace, StoredScreening, all_ports
from tests.unit.writeback.verdicts import verdict

KEYS = "https://keys.example.invalid/jwks"
#: Those of the document's examples, so that examples are answered 2xx.
TRIAL = "nct06789107"
PATIENT = "pt-0123456789abcdef"
SCREENING = "sc-0123456789abcdef0123456789abcdef"


def contract_verdict(patient: str = "Patient/p1") -> Any:
    """One that keeps to the contract to the letter."""
    plain = verdict(patient=patient)
    answers = tuple(
        (criterion, answer if answer.why is None else replace(answer, next_step=say("Ask the patient.")))
        for criterion, answer in plain.answers
    )
    return replace(plain, answers=answers)


@dataclass
class DescribedService(FakeService):
    """Knows the document's own example of a trial, and screens by the contract."""

    def trials(self) -> Sequence[TrialFile]:
        return [*super().trials(), replace(super().trials()[0], trial=TRIAL)]

    def trial(self, name: str) -> ResolvedTrial:
        return super().trial("nct00000000" if name.partition("@")[0] == TRIAL else name)

    def screen(self, patient: str, trial: str, **how: Any) -> Screening:
        self.trial(trial)
        written = WriteResult("ResearchSubject/1", Action.CREATED, "Undecided: for the work list.")
        return Screening(contract_verdict(patient), (written,))


class DescribedDecisions(FakeDecisions):
    """Knows the document's own example of a patient."""

    def standing(self, patient: str, trial: str, actor: Actor, request: str) -> StoredPlace | None:
        return super().standing(_theirs(patient), trial, actor, request)

    def decide(self, patient: str, trial: str, *, to: Decision, actor: Actor, request: str) -> Sequence[WriteResult] | None:
        return super().decide(_theirs(patient), trial, to=to, actor=actor, request=request)


def _theirs(patient: str) -> str:
    return fakes.PATIENT if patient == PATIENT else patient


def described_ports(**changes: Any) -> Ports:
    kept = StoredScreening(SCREENING, TRIAL, patient=PATIENT, verdict=verdict_json(contract_verdict()))
    screenings = FakeScreenings([kept, StoredScreening("s1", "nct00000000", patient=PATIENT, verdict=kept.verdict)])
    keys = FakeKeys(list(jwks()["keys"]))
    plain = {"screenings": screenings, "decisions": DescribedDecisions(), "keys": keys, "grants": every_role()}
    return all_ports(**(plain | changes))


def every_role() -> FakeGrants:
    grants = FakeGrants()
    for role in Role:
        grants.give(role)
    return grants


def described_app(ports: Ports | None = None) -> Flask:
    """Issuers are configured; their keys are asked for at ``KEYS``."""
    settings = Settings(issuers=(ISSUER,), audience=AUDIENCE, issuer_jwks={ISSUER: KEYS}, log_level="critical", rate_limit=0)
    return create_app(settings, DescribedService(), ports or described_ports())


@contextmanager
def logs_as_before() -> Iterator[None]:
    """An application sets logging up for its process."""
    levels = {name: logging.getLogger(name).level for name in ("werkzeug", "urllib3", "requests", "fhir_trial")}
    try:
        yield
    finally:
        structlog.reset_defaults()
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def signed_in() -> dict[str, str]:
    """The headers of a user with every role, for an hour."""
    now = int(time.time())
    return {"Authorization": f"Bearer {token(claims(now, exp=now + 3600))}"}
