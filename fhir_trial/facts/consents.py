"""Consents to a study: who signed what, and whether it stands.

Rules: C9, R43; clinical rulings, "C9". Source: FHIR R4 Consent (status, provision.type, performer), ResearchSubject.consent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from fhir_trial.facts.moments import Moment
from fhir_trial.records.model import Consent, Origin, PatientRecord, Report, StudySubject
from fhir_trial.terminology.phrases import Phrases
from fhir_trial.times import FAR_FUTURE, FAR_PAST, Span

_ANY_DAY = Span(FAR_PAST, FAR_FUTURE, None, "undated")


class Signer(StrEnum):
    """Who gave a consent."""

    SELF = "self"
    GUARDIAN = "guardian"


class Stand(StrEnum):
    """How a consent stands on a day."""

    GIVEN = "given"
    REFUSED = "refused"  # rejected, denied or withdrawn (R43)
    ENDED = "ended"  # inactive, or its period is over
    PENDING = "pending"  # drafted or proposed: no decision yet
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class StudyConsent:
    """One consent to the study.

    Attributes:
        span: When it was given; any day up to today if that is not recorded.
        signers: Who gave it; empty where no signer is named.
        stand: How it stands while its period lasts; ``ends`` is the period's end.
    """

    origin: Origin
    span: Span
    signers: frozenset[Signer]
    stand: Stand
    ends: Span | None
    original: str

    @property
    def moment(self) -> Moment:
        """What orders it among others of its day."""
        return Moment.of(self.span, None, self.origin)

    @property
    def dated(self) -> Span | None:
        """When, if recorded."""
        return None if self.span is _ANY_DAY else self.span

    def stands(self, as_of: date) -> Stand:
        """How it stands on a day: a period that is surely over has ended it."""
        over = self.ends is not None and self.ends.last < as_of
        return Stand.ENDED if over and self.stand is Stand.GIVEN else self.stand


@dataclass(frozen=True, slots=True)
class StudyNames:
    """The names by which a study is known, found as whole words in identifiers, references and text, in any case."""

    names: tuple[str, ...]

    def named_in(self, text: str) -> bool:
        """Whether one of the names stands in the text."""
        return any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE) for name in self.names)

    def subjects(self, record: PatientRecord) -> tuple[StudySubject, ...]:
        """The patient's enrolments in this study."""
        return tuple(
            subject
            for subject in record.subjects
            if any(self.named_in(name) for name in (*subject.study_identifiers, *filter(None, (subject.study,))))
        )


def find_consents(record: PatientRecord, names: StudyNames, topic: Phrases) -> tuple[StudyConsent, ...]:
    """Research consents that name the study, or to which an enrolment in it refers; others prove nothing (R43)."""
    subjects = names.subjects(record)
    linked = {subject.consent for subject in subjects if subject.consent}
    references = {subject.study for subject in subjects if subject.study}
    return tuple(
        _read(consent, topic)
        for consent in record.consents
        if consent.scope in ("research", None)
        and (consent.origin.reference in linked or any(name in references or names.named_in(name) for name in consent.studies))
    )


def find_forms(record: PatientRecord, names: StudyNames, topic: Phrases) -> tuple[Report, ...]:
    """Documents that are a consent form of the study by their words."""
    return tuple(
        report
        for report in record.reports
        if report.kind == "DocumentReference"
        and report.unusable is None
        and topic.say("form", words := "\n".join((*report.code.texts(), report.text)))
        and names.named_in(words)
    )


def _read(consent: Consent, topic: Phrases) -> StudyConsent:
    words = (consent.status, consent.decision, *(f"by {who}" for who in consent.performers))
    return StudyConsent(
        consent.origin,
        consent.dated or _ANY_DAY,
        _signers(consent.performers, topic),
        _stand(consent, topic),
        consent.period_end,
        ", ".join(filter(None, words)) or "consent",
    )


def _stand(consent: Consent, topic: Phrases) -> Stand:
    if consent.unusable is not None:
        return Stand.UNREADABLE
    withdrawn = any(topic.say("withdrawn", text) for category in consent.categories for text in category.texts())
    if consent.status == "rejected" or (consent.status == "active" and (consent.decision == "deny" or withdrawn)):
        return Stand.REFUSED
    return {"active": Stand.GIVEN, "inactive": Stand.ENDED}.get(consent.status or "", Stand.PENDING)


def _signers(performers: Iterable[str], topic: Phrases) -> frozenset[Signer]:
    """Someone who signs for the patient is a guardian, whatever else the words say."""
    found = set()
    for performer in performers:
        if topic.say("guardian", performer):
            found.add(Signer.GUARDIAN)
        elif topic.say("self", performer):
            found.add(Signer.SELF)
    return frozenset(found)
