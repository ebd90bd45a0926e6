"""A verdict onto the server: the study once, the patient's place on it, and the eligibility Observation.

Read first; create with If-None-Exist, update by id with If-Match, never a blind PUT; read back what was written and compare.
Source: FHIR R4 RESTful API; WB-01 to WB-16, WB-23, WB-27, WB-28.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from fhir_trial.transport import FhirServer, Json
from fhir_trial.trials.model import Identifier, ResolvedTrial
from fhir_trial.verdict.model import Verdict
from fhir_trial.writeback.codes import FLAGGED, REPLACES_EXTENSION
from fhir_trial.writeback.decisions import Action, Decision, decide_subject
from fhir_trial.writeback.identifiers import (
    run_value,
    study_identifier,
    study_system,
    subject_system,
    subject_value,
)
from fhir_trial.writeback.ledger import Ledger, MemoryLedger
from fhir_trial.writeback.lookup import Lookup, extension, latest, run_of, target_of
from fhir_trial.writeback.observation import Run, eligibility_observation
from fhir_trial.writeback.sending import Sender, Witness, WriteResult, found_by
from fhir_trial.writeback.settings import Observations, WriteBack, WriteSettings
from fhir_trial.writeback.shapes import research_study, research_subject


def _no_witness(action: str, target: str, outcome: str) -> None:
    """Sees nothing."""


class Writer:
    """Writes verdicts to one server, one after another: conditional creates in parallel are not atomic everywhere (WB-07).

    Args:
        software: Name and version, "fhir-trial 0.1.0".
        ledger: What the machine wrote before; forgotten with the process unless given.

    Raises:
        WriteRefusedError: The identifier base is not fit for this server.
    """

    def __init__(self, server: FhirServer, settings: WriteSettings, *, software: str, ledger: Ledger | None = None) -> None:
        settings.check(is_loopback=server.settings.is_loopback)
        self._server = server
        self._settings = settings
        self._software = software
        self._ledger = ledger or MemoryLedger()
        self._lock = threading.Lock()

    def write(
        self,
        verdict: Verdict,
        trial: ResolvedTrial,
        *,
        now: datetime,
        witness: Witness = _no_witness,
        dry_run: bool = False,
        episode: int = 1,
    ) -> tuple[WriteResult, ...]:
        """Writes what the settings allow, and says of each resource what became of it.

        Args:
            now: Aware; stands in Observation.issued.
            witness: Told of each step; an error of its own stops the write (SEC-05).
            dry_run: Reads, decides and checks, but sends nothing (WB-11).
            episode: Number of the screening episode, from 1.

        Raises:
            ServerError: The server failed; what was written before that stays, and a second run completes it.
        """
        sender = Sender(self._server, self._ledger, witness, dry_run)
        lookup = Lookup(self._server, self._settings.bases)
        case = _Case(self._server, self._settings, self._software, self._ledger, lookup, verdict, trial, now, episode)
        with self._lock:
            return tuple(case.results(sender))


@dataclass(frozen=True, slots=True)
class _Case:
    """One verdict on its way: what to do about each of its resources."""

    server: FhirServer
    settings: WriteSettings
    software: str
    ledger: Ledger
    lookup: Lookup
    verdict: Verdict
    trial: ResolvedTrial
    now: datetime
    episode: int

    @property
    def _base(self) -> str:
        return self.settings.bases[0]

    @property
    def _study_name(self) -> str:
        return study_identifier(self.trial).value

    @property
    def _subject_value(self) -> str:
        return subject_value(self.settings.tenant, self._study_name, self.verdict.patient, self.episode)

    def results(self, sender: Sender) -> Iterator[WriteResult]:
        obstacle = self._obstacle()
        if obstacle is not None:
            yield WriteResult(self.verdict.patient, Action.WITHHELD, obstacle)
            return
        wanted_study = _wanted("ResearchStudy", study_identifier(self.trial))
        study = sender.settle("ResearchStudy", wanted_study, self._about_study)
        yield study
        if study.action is Action.WITHHELD:
            return
        name = study.reference if study.reference != wanted_study else _stand_in(wanted_study)
        wanted_subject = _wanted("ResearchSubject", Identifier(subject_system(self._base), self._subject_value))
        subject = sender.settle("ResearchSubject", wanted_subject, lambda: self._about_subject(name))
        yield subject
        has_subject = subject.action is not Action.WITHHELD or subject.reference != wanted_subject
        if not has_subject and self.settings.observations is Observations.WITH_SUBJECT:
            reason = "A result is written beside a subject only, and there is none."
            yield WriteResult("Observation", Action.WITHHELD, reason)
            return
        yield sender.settle("Observation", "Observation", lambda: self._about_observation(name))

    def _obstacle(self) -> str | None:
        """Why nothing at all is written; None when the way is free."""
        if self.settings.write_back is WriteBack.OFF:
            return "Writing back is off."
        if not self.verdict.patient.startswith("Patient/"):
            return "The patient has no id on a server."
        if not (self.server.capabilities().fhir_version or "").startswith("4."):
            return "The server does not speak FHIR R4."
        patient = self.lookup.read(self.verdict.patient)  # WB-06
        if patient is None or f"Patient/{patient.get('id')}" != self.verdict.patient:
            return "The patient is not on the server under that id any more."
        if patient.get("active") is False or _is_replaced(patient):
            return "The patient's record is inactive or was replaced: nothing is written to it."
        return None

    def _about_study(self) -> Decision:
        trial = self.trial.trial
        own = [Identifier(study_system(base), trial.id) for base in self.settings.bases]
        studies = self.lookup.studies([*trial.identifiers, *trial.former_identifiers, *own])
        if len(studies) > 1:
            return Decision(Action.WITHHELD, "Several studies carry this trial's identifier: a person must tidy up.")
        if studies:
            return Decision(Action.UNCHANGED, "The study is there.", held=studies[0])
        if not self.settings.create_study:
            return Decision(Action.WITHHELD, "The study is not on the server, and the setting create_study is off.")
        return Decision(Action.CREATED, "The study was not there.", research_study(self.trial, self._base))

    def _about_subject(self, study: str) -> Decision:
        ours = self.lookup.own_subjects(self._subject_value)
        known = {subject["id"] for subject in ours}
        others = [each for each in self.lookup.subjects_of(self.verdict.patient, study) if each["id"] not in known]
        wanted = research_subject(self._base, self._subject_value, FLAGGED, study, self.verdict.patient)
        references = [f"ResearchSubject/{identity}" for identity in known]
        versions = {each: self.ledger.version(self.server.base, each) for each in references}
        written = {each: version for each, version in versions.items() if version is not None}
        setting = self.settings.write_back
        return decide_subject(self.verdict.overall, setting, wanted, ours=ours, others=others, written=written)

    def _about_observation(self, study: str) -> Decision:
        """The same content as the latest result writes nothing; other content replaces it; the earlier one keeps its status."""
        last, run = self._latest_run(study)
        if last is not None and run_of(last, self.settings.bases) == run:
            return Decision(Action.UNCHANGED, "The same result is there already.", held=last)
        facts = Run(
            base=self._base,
            identifier=self._run(run_of(last, self.settings.bases) if last else None),
            study=study,
            study_name=self._study_name,
            replaces=f"Observation/{last['id']}" if last else None,
            software=self.software,
            now=self.now,
        )
        reason = "A new result." if last is None else "The result has changed."
        return Decision(Action.CREATED, reason, eligibility_observation(self.verdict, facts))

    def _latest_run(self, study: str) -> tuple[Json | None, str]:
        """Our latest result on the server, and the identifier that today's content would have in its place."""
        earlier = self.lookup.own_observations(self.verdict.patient, study)
        last = latest(earlier)
        replaced = target_of(extension(last, REPLACES_EXTENSION)) if last is not None else None
        if replaced is None:
            return last, self._run(None)
        known = (each for each in earlier if f"Observation/{each['id']}" == replaced)
        predecessor = next(known, None) or self.lookup.read(replaced)
        return last, self._run(run_of(predecessor, self.settings.bases) if predecessor else None)

    def _run(self, predecessor: str | None) -> str:
        return run_value(self.settings.tenant, self._study_name, self.verdict, self.trial, predecessor)


def _wanted(kind: str, identifier: Identifier) -> str:
    return found_by({"resourceType": kind, "identifier": [{"system": identifier.system, "value": identifier.value}]})


def _stand_in(wanted: str) -> str:
    """In a dry run, a study that would be created has no id yet: a made-up one holds its place in what is shown."""
    return f"ResearchStudy/{uuid.uuid5(uuid.NAMESPACE_URL, wanted)}"


def _is_replaced(patient: Json) -> bool:
    links = patient.get("link")
    return isinstance(links, list) and any(isinstance(link, dict) and link.get("type") == "replaced-by" for link in links)
