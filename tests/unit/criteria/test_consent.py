"""C9: written consent of the person and, for a minor, of a guardian. R2, R30, R43, R44, VER-07."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fhir_trial.criteria.case import Case
from fhir_trial.criteria.consent import InformedConsent
from fhir_trial.criteria.kind import Kind
from fhir_trial.records.model import LoadState
from tests.unit.criteria.stories import Json, ago, briefly, case_of, check_turning_points, lab, patient

KIND = InformedConsent(("NCT06789107", "brasle"), statement="consent")
SELF: Json = {"reference": "Patient/p1"}
MOTHER: Json = {"display": "Mother"}
RELATIVE: Json = {"reference": "RelatedPerson/mum"}
NURSE: Json = {"reference": "Practitioner/n1"}


def consent(
    *signers: Json, days: int | str | None = 5, study: str = "https://clinicaltrials.gov/study/NCT06789107", **more: Any
) -> Json:
    told: Json = {
        "resourceType": "Consent",
        "status": "active",
        "scope": {"coding": [{"code": "research"}]},
        "patient": SELF,
        "policy": [{"uri": study}],
        "performer": list(signers),
    }
    if days is not None:
        told["dateTime"] = days if isinstance(days, str) else ago(days)
    return told | more


def permits(word: str) -> Json:
    return {"provision": {"type": word}}


def until(day: str) -> Json:
    return {"provision": {"type": "permit", "period": {"end": day}}}


def enrolled(status: str, study: str = "ResearchStudy/brasle", **more: Any) -> Json:
    return {"resourceType": "ResearchSubject", "status": status, "individual": SELF, "study": {"reference": study}} | more


FORM: Json = {
    "resourceType": "DocumentReference",
    "status": "current",
    "type": {"text": "Informed consent form, signed"},
    "description": "NCT06789107",
    "date": "2026-02-20T10:00:00Z",
    "content": [{"attachment": {"contentType": "text/plain", "data": "TkNUMDY3ODkxMDc="}}],
}
OTHER_STUDY = "https://clinicaltrials.gov/study/NCT00000001"

# on record -> answer of an adult, answer of a child of ten
STORIES: dict[str, tuple[list[Json], str, str]] = {
    "nothing": ([], "needs-clinician judgement", "needs-clinician judgement"),
    "no signer": ([consent()], "met", "needs-clinician judgement"),
    "a nurse's": ([consent(NURSE)], "met", "needs-clinician judgement"),
    "own": ([consent(SELF)], "met", "needs-clinician judgement"),
    "mother's": ([consent(MOTHER)], "needs-clinician judgement", "needs-clinician judgement"),
    "a relative's": ([consent(RELATIVE)], "needs-clinician judgement", "needs-clinician judgement"),
    "both in one": ([consent(SELF, MOTHER)], "met", "met"),
    "both in two": ([consent(SELF), consent(RELATIVE, days=9)], "met", "met"),
    "permitted": ([consent(SELF, MOTHER, **permits("permit"))], "met", "met"),
    "another study": ([consent(SELF, MOTHER, study=OTHER_STUDY)], "needs-clinician judgement", "needs-clinician judgement"),
    "a longer number": ([consent(SELF, MOTHER, study="NCT067891071")], "needs-clinician judgement", "needs-clinician judgement"),
    "for treatment": ([consent(SELF, MOTHER, scope={"coding": [{"code": "treatment"}]})],
                      "needs-clinician judgement", "needs-clinician judgement"),
    "tomorrow": ([consent(SELF, MOTHER, days=-1)], "needs-clinician judgement", "needs-clinician judgement"),
    "undated": ([consent(SELF, MOTHER, days=None)], "met", "met"),
    "proposed": ([consent(SELF, MOTHER, status="proposed")], "needs-clinician judgement", "needs-clinician judgement"),
    "rejected": ([consent(SELF, MOTHER, status="rejected")], "not-met", "not-met"),
    "rejected by no name": ([consent(status="rejected")], "not-met", "not-met"),
    "denied": ([consent(SELF, MOTHER, **permits("deny"))], "not-met", "not-met"),
    "withdrawn": ([consent(SELF, MOTHER, category=[{"text": "Consent withdrawn"}])], "not-met", "not-met"),
    "rejected another": ([consent(SELF, study=OTHER_STUDY, status="rejected")],
                         "needs-clinician judgement", "needs-clinician judgement"),
    "given, then rejected": ([consent(SELF, MOTHER, days=9), consent(SELF, MOTHER, status="rejected")], "not-met", "not-met"),
    "rejected, then given": ([consent(SELF, MOTHER, days=9, status="rejected"), consent(SELF, MOTHER)], "met", "met"),
    "child rejects": ([consent(MOTHER), consent(SELF, status="rejected")], "not-met", "not-met"),
    "mother rejects": ([consent(SELF), consent(MOTHER, status="rejected")], "met", "not-met"),
    "mother alone rejects": ([consent(MOTHER, status="rejected")], "not-met", "not-met"),
    "signed, then unsigned": ([consent(SELF, MOTHER, days=9), consent()], "met", "needs-clinician judgement"),
    "inactive": ([consent(SELF, MOTHER, status="inactive")], "needs-clinician judgement", "needs-clinician judgement"),
    "inactive, then active": ([consent(SELF, MOTHER, days=9, status="inactive"), consent(SELF, MOTHER)], "met", "met"),
    "active, then inactive": ([consent(SELF, MOTHER, days=9), consent(SELF, MOTHER, status="inactive")],
                              "needs-clinician judgement", "needs-clinician judgement"),
    "period over": ([consent(SELF, MOTHER, **until(ago(1)))], "needs-clinician judgement", "needs-clinician judgement"),
    "period ends today": ([consent(SELF, MOTHER, **until(ago(0)))], "met", "met"),
    "given and rejected, undated": ([consent(SELF, MOTHER, days=None), consent(SELF, MOTHER, status="rejected")],
                                    "needs-clinician conflicting", "needs-clinician conflicting"),
    "given and rejected that day": ([consent(SELF, MOTHER), consent(SELF, MOTHER, status="rejected")],
                                    "needs-clinician conflicting", "needs-clinician conflicting"),
    "rejected an hour later": ([consent(SELF, MOTHER, days="2026-02-20T09:00:00Z"),
                                consent(SELF, MOTHER, days="2026-02-20T10:00:00Z", status="rejected")], "not-met", "not-met"),
    "mixed provisions": ([consent(SELF, MOTHER, provision={"type": "permit", "provision": [{"type": "deny"}]})],
                         "needs-clinician unusable", "needs-clinician unusable"),
    "a scanned form": ([FORM], "needs-clinician unstructured", "needs-clinician unstructured"),
    "a form of tomorrow": ([FORM | {"date": "2026-03-03T10:00:00Z"}], "needs-clinician judgement", "needs-clinician judgement"),
    "consent obtained": ([lab("19826-7", {"valueCodeableConcept": {"text": "Yes"}}, None, 5)],
                         "needs-clinician judgement", "needs-clinician judgement"),
    "linked": ([consent(SELF, MOTHER, study="our policy") | {"id": "c1"},
                enrolled("screening", consent={"reference": "Consent/c1"})], "met", "met"),
    "linked to another": ([consent(SELF, MOTHER, study="our policy") | {"id": "c1"},
                           enrolled("screening", "ResearchStudy/other", consent={"reference": "Consent/c1"})],
                          "needs-clinician judgement", "needs-clinician judgement"),
    "by reference": ([consent(SELF, MOTHER, study="-", sourceReference={"reference": "ResearchStudy/brasle"})], "met", "met"),
    "but left the study": ([consent(SELF, MOTHER), enrolled("withdrawn")],
                           "needs-clinician conflicting", "needs-clinician conflicting"),
    "left another study": ([consent(SELF, MOTHER), enrolled("withdrawn", "ResearchStudy/other")], "met", "met"),
}  # fmt: skip


def told(records: list[Json], birth: str | None, **more: Any) -> Case:
    who = patient(birthDate=birth) if birth else {key: value for key, value in patient().items() if key != "birthDate"}
    return case_of(*records, who=who, **more)


@pytest.mark.parametrize("story", STORIES)
def test_consent_counts_when_those_gave_it_who_must(story: str) -> None:
    """C9, R2, R43."""
    records, adult, child = STORIES[story]

    grown, minor = KIND.answer(told(records, "1990-01-01")), KIND.answer(told(records, "2016-01-01"))

    assert (briefly(grown), briefly(minor)) == (adult, child)
    assert all(answer.outcome.undecided == (answer.next_step is not None) for answer in (grown, minor))


# birth date -> answer with only the person's own consent; the 18th birthday of 2008-03-02 is S
BIRTHS = """
    2008-03-02  met
    2008-03-03  needs-clinician judgement
    2008        unknown unusable
    2007        met
    2009        needs-clinician judgement
    -           unknown not-recorded
"""


@pytest.mark.parametrize("row", [line.split(maxsplit=1) for line in BIRTHS.strip().splitlines()], ids=" ".join)
def test_from_eighteen_on_the_own_consent_is_enough(row: list[str]) -> None:
    """C9, R30."""
    birth, expected = row

    assert briefly(KIND.answer(told([consent(SELF)], None if birth == "-" else birth))) == expected
    assert briefly(KIND.answer(told([consent(SELF, MOTHER)], None if birth == "-" else birth))) == "met"
    assert briefly(KIND.answer(told([], None if birth == "-" else birth))) == "needs-clinician judgement"


def test_copies_with_different_birth_dates_conflict_where_it_matters() -> None:
    """VER-07."""

    def torn(*signers: Json) -> Case:
        case = told([consent(*signers)], "1990-01-01")
        record = case.facts.record
        case.facts.record = replace(record, patient=replace(record.patient, disagreements=frozenset({"birthDate"})))
        return case

    assert briefly(KIND.answer(torn(SELF))) == "needs-clinician conflicting"
    assert briefly(KIND.answer(torn(SELF, MOTHER))) == "met"


def test_what_tells_of_a_consent_without_proving_it_is_shown() -> None:
    obtained = lab("19826-7", {"valueCodeableConcept": {"text": "Yes"}}, None, 5)

    answer = KIND.answer(told([obtained, enrolled("screening")], "1990-01-01"))

    assert [(evidence.role, evidence.original) for evidence in answer.evidence] == [
        ("shown", "Yes"),
        ("shown", "enrolment screening"),
    ]


def test_an_enrolment_of_tomorrow_is_not_known_yet() -> None:
    """R44."""
    leaves = enrolled("withdrawn", period={"start": ago(-1)})

    assert briefly(KIND.answer(told([consent(SELF), leaves], "1990-01-01"))) == "met"


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([], "needs-clinician not-loaded"),
        ([consent(SELF)], "unknown not-loaded"),
        ([consent(SELF, status="rejected")], "unknown not-loaded"),
    ],
)
def test_consents_that_were_not_loaded_may_say_otherwise(records: list[Json], expected: str) -> None:
    """R2 keeps the question a clinician's while nothing is recorded."""
    assert briefly(KIND.answer(told(records, "1990-01-01", states={"Consent": LoadState.PARTIAL}))) == expected


def test_the_day_of_the_consent_is_told() -> None:
    assert (
        str(KIND.answer(told([consent(SELF)], "1990-01-01")).reason) == "Written consent to this study is recorded on 2026-02-25."
    )
    undated = KIND.answer(told([consent(SELF, days=None)], "1990-01-01"))
    assert str(undated.reason) == "Written consent to this study is recorded."
    assert undated.evidence[0].dated is None


@pytest.mark.parametrize(
    ("records", "birth"),
    [
        ([consent(SELF)], "2008-06-15"),
        ([consent(SELF)], "2008"),
        ([consent(SELF, MOTHER, **until("2026-06"))], "2016-01-01"),
        ([consent(SELF, days=-20), consent(SELF, days=-60, status="rejected")], "1990-01-01"),
        ([consent(SELF, days="2026-05"), consent(SELF, days="2026-05-10", status="rejected")], "1990-01-01"),
        ([consent(SELF), enrolled("withdrawn", period={"start": ago(-30)})], "1990-01-01"),
    ],
)
def test_every_change_of_the_answer_is_a_turning_point(records: list[Json], birth: str) -> None:
    """VER-16."""
    check_turning_points(KIND, told(records, birth), 400)


@pytest.mark.parametrize("studies", [(), (" ",)])
def test_a_consent_without_a_study_is_refused(studies: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="names its study"):
        InformedConsent(studies)


def test_the_rule_is_told_in_words_and_says_what_it_needs() -> None:
    assert KIND.in_words() == "consent to NCT06789107 is recorded; below 18 years a guardian's and the child's own"
    assert KIND.needs().resource_types == ("Consent", "DocumentReference", "Observation", "Patient", "ResearchSubject")
    plain = InformedConsent(("NCT06789107",))
    assert "Observation" not in plain.needs().resource_types
    assert briefly(plain.answer(told([consent(SELF)], "1990-01-01"))) == "met"
    assert list(plain.turning_points(told([], None))) == []
    assert isinstance(KIND, Kind)
