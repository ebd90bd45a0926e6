"""Written consent of the participant and, for a minor, of a guardian too.

Rules: C9, R2, R43; clinical rulings, "C9". Source: FHIR R4 Consent, ResearchSubject.consent, DocumentReference.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from fhir_trial.criteria.answers import Answer, Evidence, Role, Why, met, needs_clinician, not_met, say, unknown, with_evidence
from fhir_trial.criteria.case import Case
from fhir_trial.criteria.needs import Need, Needs
from fhir_trial.criteria.showing import show_birth, show_result, unless_overturned
from fhir_trial.facts.consents import Signer, Stand, StudyConsent, StudyNames, find_consents, find_forms
from fhir_trial.facts.moments import latest_of_day, may_be_latest
from fhir_trial.records.model import StudySubject
from fhir_trial.terminology.phrases import phrases
from fhir_trial.times import Span, add_days, birthday

#: Enrolments that have come to an end: a consent on file may then be void.
_LEFT: Final = frozenset({"withdrawn", "off-study", "not-registered", "ineligible"})


@dataclass(frozen=True, slots=True)
class InformedConsent:
    """Consent to this study is on record: an adult's own, or a guardian's with the child's.

    As protocols put it: "The participant and their legal guardian must provide written informed consent".

    Attributes:
        studies: Names by which the study is known: registry number, short name, business identifiers.
        adult_from: Age from which a person's own consent is enough.
        statement: Analyte of observations that tell of a consent without naming a study: shown.
    """

    studies: tuple[str, ...]
    adult_from: int = 18
    statement: str | None = None

    def __post_init__(self) -> None:
        if not self.studies or not all(name.strip() for name in self.studies):
            raise ValueError("A consent names its study: studies lists its identifiers.")

    def needs(self) -> Needs:
        needs = [Need("Consent"), Need("ResearchSubject"), Need("DocumentReference"), Need("Patient")]
        if self.statement:
            needs.append(Need("Observation", laboratory=(self.statement,)))
        return Needs.of(*needs)

    def answer(self, case: Case) -> Answer:
        """Needs a clinician until a consent to this study is recorded (R2); a refused or withdrawn one is not met (R43)."""
        person = case.facts.person
        consents = [consent for consent in self._consents(case) if consent.span.first <= case.as_of]
        ages = None if person.births_disagree else person.age_on(case.as_of)
        grown = {True, False} if ages is None else {years >= self.adult_from for years in ages.years}
        answers = [self._of_adult(consents, case) if adult else self._of_minor(consents, case) for adult in sorted(grown)]
        if len({answer.outcome for answer in answers}) == 1:
            answer = answers[0]
        elif person.births_disagree:  # VER-07
            reason = say("A consent is on record; copies of the patient's record disagree on whether the person is a minor.")
            answer = needs_clinician(
                Why.CONFLICTING, reason, _shown(consents, Role.SHOWN), next_step=say("Correct the birth date.")
            )
        else:  # R30
            why = Why.UNUSABLE if person.birth else case.absent("Patient")
            reason = say("A consent is on record; the birth date does not tell whether a guardian's is needed too.")
            evidence = (*_shown(consents, Role.SHOWN), show_birth(person, Role.UNUSABLE))
            answer = unknown(why, reason, evidence, next_step=say("Record the full date of birth."))
        return with_evidence(answer, self._mentions(case))

    def turning_points(self, case: Case) -> Iterable[date]:
        birth = case.facts.person.birth
        for born in (birth.first, birth.last) if birth else ():
            yield birthday(born, self.adult_from)
        for consent in self._consents(case):
            yield from (consent.span.first, consent.span.last, add_days(consent.span.last, 1))
            if consent.ends is not None:
                yield add_days(consent.ends.last, 1)
        for subject in self._names.subjects(case.facts.record):
            yield from (span.first for span in (subject.start, subject.end) if span is not None)

    def in_words(self) -> str:
        return f"consent to {self.studies[0]} is recorded; below {self.adult_from} years a guardian's and the child's own"

    @property
    def _names(self) -> StudyNames:
        return StudyNames(self.studies)

    def _consents(self, case: Case) -> tuple[StudyConsent, ...]:
        return find_consents(case.facts.record, self._names, phrases("consent"))

    def _of_adult(self, consents: Sequence[StudyConsent], case: Case) -> Answer:
        own = [consent for consent in consents if Signer.SELF in consent.signers or not consent.signers]
        by_guardian = [consent for consent in consents if consent not in own]
        if _latest(own, case.as_of):
            return self._unless_given(own, case) or self._given(own, case)
        if _latest(by_guardian, case.as_of):
            return self._unless_given(by_guardian, case) or needs_clinician(
                Why.JUDGEMENT,
                say("Only a guardian's consent is recorded, for an adult."),
                _shown(by_guardian, Role.SUPPORTS),
                next_step=say("Confirm that the person cannot consent, or obtain the person's own consent."),
            )
        return self._not_recorded(consents, case)

    def _of_minor(self, consents: Sequence[StudyConsent], case: Case) -> Answer:
        """A consent that names no signer may be either's: it can withdraw, and cannot prove that both signed."""
        speaking = {signer: [each for each in consents if signer in each.signers or not each.signers] for signer in Signer}
        for signer in Signer:
            answer = self._unless_given(speaking[signer], case)
            if answer is not None:
                return answer
        signed = {signer for signer in Signer if any(signer in each.signers for each in _latest(speaking[signer], case.as_of))}
        if signed == set(Signer):
            return self._given(consents, case)
        if _latest(consents, case.as_of):
            return needs_clinician(
                Why.JUDGEMENT,
                say("A consent is recorded, but not that both a guardian and the child gave it."),
                _shown(consents, Role.SUPPORTS),
                next_step=say("Obtain the written consent of a guardian and the child's own."),
            )
        return self._not_recorded(consents, case)

    def _unless_given(self, consents: Sequence[StudyConsent], case: Case) -> Answer | None:
        """The answer of consents refused, ended, unreadable or in conflict; None where all that may be the latest are given."""
        stands = {consent.stands(case.as_of) for consent in _latest(consents, case.as_of)}
        if not stands or stands == {Stand.GIVEN}:
            return None
        if stands == {Stand.REFUSED}:  # R43
            answer = not_met(say("Consent to this study is recorded as refused or withdrawn."), _shown(consents, Role.DECIDES))
            return unless_overturned(case, answer, "Consent")
        if len(stands) > 1:
            why, reason = Why.CONFLICTING, say("Consents to this study differ, and their dates do not tell which is the latest.")
        elif stands == {Stand.ENDED}:
            why, reason = Why.JUDGEMENT, say("Consent to this study was given, and is no longer active.")
        else:
            why, reason = Why.UNUSABLE, say("A consent to this study is recorded that cannot be read.")
        return needs_clinician(why, reason, _shown(consents, Role.UNUSABLE), next_step=say("Ask for written consent."))

    def _given(self, consents: Sequence[StudyConsent], case: Case) -> Answer:
        left = [subject for subject in self._subjects(case) if subject.status in _LEFT]
        if left:
            return needs_clinician(
                Why.CONFLICTING,
                say("Consent is recorded, and so is an earlier enrolment that ended ({status}).", status=left[-1].status),
                _shown(consents, Role.SUPPORTS),
                next_step=say("Clarify whether the consent still stands."),
            )
        day = next((consent.dated for consent in reversed(_latest(consents, case.as_of)) if consent.dated), None)
        when = say(" on {day}", day=day) if day else ""
        answer = met(say("Written consent to this study is recorded{when}.", when=when), _shown(consents, Role.DECIDES))
        return unless_overturned(case, answer, "Consent")

    def _not_recorded(self, consents: Sequence[StudyConsent], case: Case) -> Answer:
        """R2: needs a clinician until a consent is recorded. A scanned form is only text."""
        forms = [
            form for form in find_forms(case.facts.record, self._names, phrases("consent")) if _on_file(form.effective, case)
        ]
        if forms:
            evidence = [
                Evidence(form.origin, Role.SUPPORTS, form.effective, next(form.code.texts(), form.kind)) for form in forms
            ]
            reason = say("A consent form of this study is on file as a document; no consent is recorded.")
            return needs_clinician(Why.UNSTRUCTURED, reason, evidence, next_step=say("Check the form: who signed, and when?"))
        why = Why.JUDGEMENT if case.loaded("Consent") else Why.NOT_LOADED
        step = say("Inform the person and, for a minor, a guardian, and ask for written consent.")
        return needs_clinician(why, say("No consent to this study is recorded."), _shown(consents, Role.SHOWN), next_step=step)

    def _mentions(self, case: Case) -> tuple[Evidence, ...]:
        """What tells of a consent without proving one."""
        results = case.facts.results(self.statement) if self.statement else ()
        shown = (show_result(result, Role.SHOWN) for result in results if _on_file(result.span, case))
        enrolments = (Evidence(each.origin, Role.SHOWN, each.start, f"enrolment {each.status}") for each in self._subjects(case))
        return (*shown, *enrolments)

    def _subjects(self, case: Case) -> list[StudySubject]:
        return [subject for subject in self._names.subjects(case.facts.record) if _on_file(subject.start, case)]


def _latest(consents: Sequence[StudyConsent], as_of: date) -> tuple[StudyConsent, ...]:
    """The decisions that no other surely follows; a draft is none."""
    decided = [(consent, consent.span.until(as_of) or consent.span) for consent in consents if consent.stand is not Stand.PENDING]
    latest = may_be_latest(decided, lambda pair: pair[1])
    exact = [consent for consent, span in latest if span.exact]
    last = latest_of_day(exact, lambda consent: consent.moment)
    return tuple(consent for consent, span in latest if not span.exact or consent in last)


def _shown(consents: Sequence[StudyConsent], role: Role) -> tuple[Evidence, ...]:
    return tuple(Evidence(consent.origin, role, consent.dated, consent.original) for consent in consents)


def _on_file(span: Span | None, case: Case) -> bool:
    return span is None or span.first <= case.as_of
