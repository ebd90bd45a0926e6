"""One verdict on its way: the study, the patient's place on it, the result, and where the result came from."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from fhir_trial.errors import FatalServerError
from fhir_trial.people.statuses import Status
from fhir_trial.transport import Json
from fhir_trial.transport.connection import StoppedError
from fhir_trial.trials.model import Identifier, ResolvedTrial
from fhir_trial.verdict.model import Verdict
from fhir_trial.verdict.overall import DECEASED
from fhir_trial.writeback.codes import FLAGGED, REPLACES_EXTENSION, Release, origin_tag
from fhir_trial.writeback.decisions import Action, Decision, decide_subject, version_of
from fhir_trial.writeback.enrolment import enrolment_of, research_subject_r5
from fhir_trial.writeback.identifiers import (
    run_system,
    run_value,
    runs_begin,
    study_identifier,
    study_system,
    subject_system,
    subject_value,
)
from fhir_trial.writeback.lookup import AN_ERROR, Lookup, extension, has_died, is_error, latest, run_of, target_of
from fhir_trial.writeback.observation import Run, eligibility_observation
from fhir_trial.writeback.outbox import IntentState
from fhir_trial.writeback.provenance import aimed_at, provenance
from fhir_trial.writeback.sending import Sender, WriteResult, found_by
from fhir_trial.writeback.settings import Observations, WriteSettings
from fhir_trial.writeback.shapes import research_study, research_subject
from fhir_trial.writeback.transaction import in_one_transaction

_DIED = "No subject is created for a patient who has died."


@dataclass(slots=True)
class Case:
    """What to do about each resource of one verdict.

    Attributes:
        owed: Run's identifier -> number of the open intent of its Provenance; shared by all cases of a writer.
        run: Identifier of the run last decided about.
    """

    settings: WriteSettings
    software: str
    lookup: Lookup
    sender: Sender
    verdict: Verdict
    trial: ResolvedTrial
    episode: int
    owed: dict[str, int]
    run: str = field(default="", init=False)

    @property
    def _base(self) -> str:
        return self.settings.bases[0]

    @property
    def _study_name(self) -> str:
        return study_identifier(self.trial).value

    @property
    def _subject_value(self) -> str:
        return subject_value(self.settings.tenant, self._study_name, self.verdict.patient, self.episode)

    def results(self) -> Iterator[WriteResult]:
        """What became of each resource, one after another."""
        sender = self.sender
        wanted_study = _wanted("ResearchStudy", study_identifier(self.trial))
        study = sender.settle("ResearchStudy", wanted_study, self.about_study)
        yield study
        if study.action is Action.WITHHELD:
            return
        name = study.reference if study.reference != wanted_study else _stand_in("ResearchStudy", wanted_study)
        done = self._in_one_transaction(name)
        wanted_subject = _wanted("ResearchSubject", Identifier(subject_system(self._base), self._subject_value))
        subject = sender.settle("ResearchSubject", wanted_subject, lambda: self._about_subject(name))
        yield _as_done(subject, done)
        has_subject = subject.action is not Action.WITHHELD or subject.reference != wanted_subject
        if not has_subject and self.settings.observations is Observations.WITH_SUBJECT:
            reason = "A result is written beside a subject only, and there is none."
            yield WriteResult("Observation", Action.WITHHELD, reason)
            return
        observation = sender.settle("Observation", "Observation", lambda: self._about_observation(name))
        yield _as_done(observation, done)
        if "Provenance" in done:
            yield done["Provenance"]
        else:
            yield from self._provenance(observation)

    def about_study(self) -> Decision:
        trial = self.trial.trial
        own = [Identifier(study_system(base), trial.id) for base in self.settings.bases]
        studies = self.lookup.studies([*trial.identifiers, *trial.former_identifiers, *own])
        if len(studies) > 1:
            return Decision(Action.WITHHELD, "Several studies carry this trial's identifier: a person must tidy up.")
        if studies:
            return Decision(Action.UNCHANGED, "The study is there.", held=studies[0])
        if not self.settings.create_study:
            return Decision(Action.WITHHELD, "The study is not on the server, and the setting create_study is off.")
        wanted = research_study(self.trial, self._base)
        if self._was_written("{system}|{value}".format(**wanted["identifier"][0])):
            return Decision(Action.WITHHELD, "The study that was created here is not found again: a person must look.")
        return Decision(Action.CREATED, "The study was not there.", wanted)

    def _about_subject(self, study: str) -> Decision:
        ours = self.lookup.own_subjects(self._subject_value)
        known = {subject["id"] for subject in ours}
        # Ours of an earlier episode, or ours since that search, are nobody else's.
        names = [
            subject_value(self.settings.tenant, self._study_name, self.verdict.patient, number)
            for number in range(1, self.episode + 1)
        ]
        others = [
            each
            for each in self.lookup.subjects_of(self.verdict.patient, study)
            if each["id"] not in known and not any(self.lookup.is_named(each, name) for name in names)
        ]
        references = [f"ResearchSubject/{identity}" for identity in known]
        versions = {each: self.sender.outbox.version(self.settings.tenant, self.sender.server.base, each) for each in references}
        written = {each: version for each, version in versions.items() if version is not None}
        decision = decide_subject(
            self.verdict.overall,
            self.settings.write_back,
            self._wanted_subject(study),
            ours=ours,
            others=others,
            written=written,
            when=self.verdict.as_of,
        )
        is_flag = decision.resource is not None and enrolment_of(decision.resource) == FLAGGED
        if is_flag and (reason := self._against_a_flag(study)) is not None:
            return Decision(Action.WITHHELD, reason, held=decision.held)
        if decision.action is Action.CREATED and self._was_there():
            return Decision(Action.WITHHELD, "The subject that was created here is gone from the server: a person decides.")
        return decision

    def _was_there(self) -> bool:
        """Whether we have created it before: who deleted it did not want it (WB-01)."""
        return any(self._was_written(f"{subject_system(base)}|{self._subject_value}") for base in self.settings.bases)

    def _was_written(self, identifier: str) -> bool:
        """Whether a resource of this identifier is known to have been written, by this process or an earlier one."""
        sender = self.sender
        return sender.outbox.reference(self.settings.tenant, sender.server.base, identifier) is not None

    def _against_a_flag(self, study: str) -> str | None:
        """What the patient's record says now; the verdict may be older."""
        if DECEASED in self.verdict.blockers:
            return _DIED
        patient = self.lookup.read(self.verdict.patient) or {}
        if has_died(patient):
            return _DIED
        if any(self.lookup.subjects_of(earlier, study) for earlier in self.lookup.merged_into(patient)):
            return "The patient has a subject under a record that was merged into this one: a person decides."
        return None

    def _wanted_subject(self, study: str) -> Json:
        if self.sender.release is Release.R4:
            return research_subject(self._base, self._subject_value, FLAGGED, study, self.verdict.patient)
        identifiers = (Identifier(subject_system(self._base), self._subject_value),)
        wanted = research_subject_r5(Status.POTENTIAL, self.verdict.as_of, study, self.verdict.patient, identifiers)
        return {**wanted, "meta": {"tag": [origin_tag(self._base)]}}

    def _about_observation(self, study: str) -> Decision:
        """The same content as the latest result writes nothing; other content replaces it; the earlier one keeps its status."""
        begin = runs_begin(self.settings.tenant, self._study_name, self.verdict.patient)
        results = [(each, run_of(each, self.settings.bases)) for each in self.lookup.results_of(self.verdict.patient, study)]
        written = [each for each, run in results if run is not None and run.startswith(begin)]  # another tenant's begin otherwise
        last, run = self._latest_run([each for each in written if not is_error(each)])
        if last is not None and run_of(last, self.settings.bases) == run:
            self.run = run
            return Decision(Action.UNCHANGED, "The same result is there already.", held=last)
        predecessor = run_of(last, self.settings.bases) if last else None
        facts = self._facts(study, self._run(predecessor), f"Observation/{last['id']}" if last else None)
        self.run = facts.identifier
        for wrong in written:
            if is_error(wrong) and run_of(wrong, self.settings.bases) == self.run:
                return Decision(Action.WITHHELD, AN_ERROR, held=wrong)
        if last is None and any(run is None for _, run in results):
            return Decision(Action.WITHHELD, "Results stand there without their identifier: the server does not keep it.")
        decision = Decision(
            Action.CREATED,
            "A new result." if last is None else "The result has changed.",
            eligibility_observation(self.verdict, facts, self.sender.release),
        )
        self._owe_provenance()
        return decision

    def _facts(self, study: str, identifier: str, replaces: str | None) -> Run:
        return Run(
            base=self._base,
            identifier=identifier,
            study=study,
            study_name=self._study_name,
            replaces=replaces,
            software=self.software,
            now=self.sender.errand.now,
        )

    def _latest_run(self, earlier: list[Json]) -> tuple[Json | None, str]:
        """The latest of our results on the server, and the identifier that today's content would have in its place."""
        last = latest(earlier)
        replaced = target_of(extension(last, REPLACES_EXTENSION)) if last is not None else None
        if replaced is None:
            return last, self._run(None)
        known = (each for each in earlier if f"Observation/{each['id']}" == replaced)
        predecessor = next(known, None) or self.lookup.read(replaced)
        return last, self._run(run_of(predecessor, self.settings.bases) if predecessor else None)

    def _run(self, predecessor: str | None) -> str:
        return run_value(self.settings.tenant, self._study_name, self.verdict, self.trial, predecessor)

    # --- where the result came from ---

    def _writes_provenance(self) -> bool:
        """Where the server takes it, and finds it again by its target: it has no identifier."""
        stated = self.sender.server.capabilities()
        named = stated.parameters.get("Provenance", frozenset())
        is_found_again = stated.offers("Provenance", "search-type") and (not named or "target" in named)
        return self.settings.provenance and is_found_again and self.sender.obstacle("Provenance", "create") is None

    def _provenance_decision(self, target: str | None) -> Decision:
        """Found by the run's identifier, since Provenance has none of its own."""
        body = provenance(self.verdict, self._facts("", self.run, None), self.sender.release)
        identifier = f"{run_system(self._base)}|{self.run}"
        whole = body if target is None else aimed_at(body, target)
        return Decision(Action.CREATED, "It says where the result came from.", whole, identifier=identifier)

    def _owe_provenance(self) -> None:
        """Keeps the intent before the Observation leaves, so that after a crash between the two it is not forgotten."""
        sender = self.sender
        if not sender.dry_run and self._writes_provenance() and sender.obstacle("Observation", "create") is None:
            decision = self._provenance_decision(None)
            number, _ = sender.intend(decision, decision.resource or {})
            self.owed[self.run] = number

    def _provenance(self, observation: WriteResult) -> Iterator[WriteResult]:
        """Never for an unchanged result, unless it is still owed to it."""
        sender = self.sender
        if sender.dry_run:
            if observation.action is Action.CREATED and self._writes_provenance():
                shown = self._provenance_decision(_stand_in("Observation", self.run))
                yield sender.attempt("Provenance", "Provenance", shown)
            return
        number = self.owed.get(self.run)
        if number is None:
            return
        if observation.action is Action.WITHHELD:
            if not sender.is_stopped():
                sender.mark(number, IntentState.SUPERSEDED, "Its Observation was not written.")
            del self.owed[self.run]
            return
        if observation.by_another:
            self._leave_to_the_other(number, observation.reference)
            return
        result = self._paid(number, observation.reference)
        if result.action is Action.UNCHANGED:
            sender.confirm(number, result.reference, None)
        if not sender.is_stopped():
            del self.owed[self.run]
        yield result

    def _paid(self, number: int, target: str) -> WriteResult:
        """The result stands, with its Provenance or without."""
        try:
            return self.sender.settle("Provenance", "Provenance", lambda: self._about_provenance(target))
        except StoppedError:
            raise
        except FatalServerError as error:
            self.sender.mark(number, IntentState.FAILED, error.message)
            return WriteResult("Provenance", Action.WITHHELD, error.message)

    def _leave_to_the_other(self, number: int, target: str) -> None:
        """The run that wrote the Observation writes its Provenance: two would stand there, since it has no identifier.

        Until it is seen there, the intent stays open. Where both runs keep their intents in one place it is the same intent, and
        to close it would be to forget the debt of a run that may yet end in between.
        """
        try:
            found = self.lookup.provenances_of(target)
        except StoppedError:
            raise
        except FatalServerError:
            return  # refused: the next start says so of the intent
        if found:
            self.sender.confirm(number, f"Provenance/{found[0]['id']}", None)
            del self.owed[self.run]

    def _about_provenance(self, target: str) -> Decision:
        found = self.lookup.provenances_of(target)
        if found:
            return Decision(Action.UNCHANGED, "It is there.", held=found[0], version=version_of(found[0]))
        return self._provenance_decision(target)

    # --- all at once ---

    def _in_one_transaction(self, study: str) -> dict[str, WriteResult]:
        """Type -> what was written in one transaction and found there afterwards; the rest is then written step by step."""
        sender = self.sender
        offered = "transaction" in sender.server.capabilities().system
        if not (self.settings.transactions and offered) or sender.dry_run or "transaction" in sender.refused:
            return {}
        decisions = [self._about_subject(study)]
        if decisions[0].resource is not None or decisions[0].held is not None or self.settings.observations is Observations.ALL:
            decisions.append(self._about_observation(study))
        if self.run in self.owed and decisions[-1].resource is not None:
            decisions.append(self._provenance_decision(None))
        done = in_one_transaction(sender, [each for each in decisions if each.resource is not None])
        if "Provenance" in done:
            self.owed.pop(self.run, None)
        return done


def _as_done(result: WriteResult, done: dict[str, WriteResult]) -> WriteResult:
    """What the transaction wrote is found unchanged a moment later; it is told as written."""
    earlier = done.get(result.reference.split("/")[0])
    if earlier is None or result.action is not Action.UNCHANGED:
        return result
    return replace(result, action=earlier.action, reason=earlier.reason)


def _wanted(kind: str, identifier: Identifier) -> str:
    return found_by({"resourceType": kind, "identifier": [{"system": identifier.system, "value": identifier.value}]})


def _stand_in(kind: str, wanted: str) -> str:
    """In a dry run, what would be created has no id yet: a made-up one holds its place in what is shown."""
    return f"{kind}/{uuid.uuid5(uuid.NAMESPACE_URL, wanted)}"
