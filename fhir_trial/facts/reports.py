"""Reports whose words decide: ECGs and chest imaging, whether a report, a document, an observation or a procedure carries them.

ECGs are known by their codes, or by words where no coding is recognised and none claims a standard (R34); chest imaging is found
by its words, coded or not (C7.11). What a report says is "normal" only in so many words (R25, R26).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from functools import cache, cached_property
from typing import Final

from fhir_trial.facts.moments import Moment
from fhir_trial.records.model import Observation, Origin, OtherValue, PatientRecord, Procedure, Quantity, Report
from fhir_trial.terminology import Terminology
from fhir_trial.terminology.concepts import Concept
from fhir_trial.terminology.phrases import Phrases, clauses_of
from fhir_trial.times import Span

#: Known codes that are recognised so that nobody takes them for an ECG.
_NOT_TO_BE_USED: Final = frozenset({"reject", "deprecated"})


class Says(StrEnum):
    """What a report says about the whole."""

    NORMAL = "normal"
    OTHER = "other"  # words that do not say so
    MEASURED = "measured"  # numbers, such as a QT interval, or the mere fact that it was done
    UNREAD = "unread"  # content that is not read: a PDF, an image


@dataclass(frozen=True)
class Finding:
    """One report.

    Attributes:
        source: Its resource type.
        title: What it is, in the record's words.
        pieces: What it says, as recorded: conclusion, results, notes; empty if nothing is readable.
        topic: The phrases by which that is judged.
        unread: Whether it holds content that is not read.
        decisive: Chest imaging: whether it is a CT (R26); an ECG always is.
        problem: Why it decides nothing although on file ("status-preliminary", "modifier-extension", "no-value"), or None.
    """

    origin: Origin
    source: str
    title: str
    span: Span | None
    issued: datetime | None
    pieces: tuple[str, ...]
    topic: Phrases
    unread: bool = False
    decisive: bool = True
    problem: str | None = None

    @property
    def words(self) -> str:
        """All that it says."""
        return "; ".join(self.pieces)

    @cached_property
    def says(self) -> Says:
        """What it says about the whole; judged when first asked, since only the latest reports are."""
        if self.pieces:
            return Says.NORMAL if self.topic.call_normal(*self.pieces) else Says.OTHER
        return Says.UNREAD if self.unread else Says.MEASURED

    @property
    def moment(self) -> Moment:
        """What orders it among others of its day."""
        return Moment.of(self.span, self.issued, self.origin)

    def on_file(self, as_of: date) -> bool:
        """Whether it is not dated after ``as_of`` (R44); without a date it is on file, and decides nothing."""
        return self.span is None or self.span.first <= as_of


def find_ecgs(record: PatientRecord, terminology: Terminology, analyte: str, topic: Phrases) -> tuple[Finding, ...]:
    """Electrocardiograms: reports, documents, impressions and intervals, oldest first.

    An Observation that is a result of a final report on file speaks through that report.
    """

    @cache
    def is_ecg(concept: Concept) -> bool:
        codes = terminology.lab_codes(concept)
        if codes:
            return any(code.analyte == analyte and code.role not in _NOT_TO_BE_USED for code in codes)
        return analyte in terminology.lab_by_text(concept)

    reports = [report for report in record.reports if is_ecg(report.code)]
    observations: dict[str, list[Observation]] = {}
    for observation in record.observations if reports else ():
        observations.setdefault(observation.origin.reference, []).append(observation)
    spoken_for = {name for report in reports if report.unusable is None for name in report.results}
    found = []
    for report in reports:
        results = [observation for name in report.results for observation in observations.get(name, ())]
        found.append(_of_report(report, topic, results, measured=bool(results)))
    alone = (each for each in record.observations if is_ecg(each.code) and each.origin.reference not in spoken_for)
    found.extend(_of_observation(each, topic, measured=isinstance(each.value, Quantity)) for each in alone)
    return _oldest_first(found)


def find_chest_imaging(record: PatientRecord, topic: Phrases) -> tuple[Finding, ...]:
    """Imaging of the chest: reports, documents, observations and procedures whose words name it, oldest first.

    That it was done is known even where nothing readable says what it showed.
    """
    return _oldest_first(_imaging(record, topic))


def _imaging(record: PatientRecord, topic: Phrases) -> Iterator[Finding]:
    @cache  # most observations share a few codes, and searching their words is slow
    def titled(code: Concept) -> bool:
        return topic.say("title", _title(code))

    for report in record.reports:
        title = _title(report.code, *report.categories)
        if topic.say("title", title):
            yield _of_report(report, topic, measured=True, decisive=topic.say("decisive", title))
        elif topic.say("general", title) and (named := _first_named(report.text, topic)) is not None:
            # "Radiology report": what was imaged stands in the text only, before anything it is compared with.
            yield _of_report(report, topic, measured=True, decisive=topic.say("decisive", named))
    for observation in record.observations:
        if titled(observation.code):
            decisive = topic.say("decisive", _title(observation.code))
            yield _of_observation(observation, topic, measured=True, decisive=decisive)
    for procedure in record.procedures:
        if procedure.status in ("completed", None) and titled(procedure.code):
            title = _title(procedure.code)
            yield _of_procedure(procedure, title, topic, decisive=topic.say("decisive", title))


def _first_named(text: str, topic: Phrases) -> str | None:
    return next((clause for clause in clauses_of(text) if topic.say("title", clause)), None)


def _of_report(
    report: Report, topic: Phrases, results: Iterable[Observation] = (), *, measured: bool, decisive: bool = True
) -> Finding:
    pieces = _said([report.text, *(text for observation in results for text in _words(observation))])
    return Finding(
        origin=report.origin,
        source=report.kind,
        title=_title(report.code) or report.kind,
        span=report.effective,
        issued=report.issued,
        pieces=pieces,
        topic=topic,
        unread=report.unread,
        decisive=decisive,
        problem=report.unusable or (None if pieces or report.unread or measured else "no-value"),
    )


def _of_observation(observation: Observation, topic: Phrases, *, measured: bool, decisive: bool = True) -> Finding:
    pieces = _said(_words(observation))
    return Finding(
        origin=observation.origin,
        source="Observation",
        title=_title(observation.code),
        span=observation.effective,
        issued=observation.issued,
        pieces=pieces,
        topic=topic,
        decisive=decisive,
        problem=observation.unusable or (None if pieces or measured else "no-value"),
    )


def _of_procedure(procedure: Procedure, title: str, topic: Phrases, *, decisive: bool) -> Finding:
    """That it was done, and not what it showed."""
    return Finding(
        procedure.origin,
        "Procedure",
        title,
        procedure.performed,
        None,
        (),
        topic,
        decisive=decisive,
        problem=procedure.unusable,
    )


def _said(pieces: Iterable[str]) -> tuple[str, ...]:
    return tuple(piece.strip() for piece in pieces if piece.strip())


def _words(observation: Observation) -> Iterator[str]:
    value = observation.value
    if isinstance(value, str):
        yield value
    elif isinstance(value, OtherValue):
        yield value.text
    elif isinstance(value, Concept):
        yield from value.texts()
    yield from observation.notes


def _title(*concepts: Concept) -> str:
    return "; ".join(dict.fromkeys(text for concept in concepts for text in concept.texts()))


def _oldest_first(found: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(found, key=lambda each: (each.span.last if each.span else date.min, each.origin.reference)))
