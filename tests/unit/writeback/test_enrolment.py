"""Standings as ResearchSubject in R4 and R5, and back: WB-24, WB-25, WB-26."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_trial.errors import WriteRefusedError
from fhir_trial.people.statuses import Status
from fhir_trial.trials.model import Identifier
from fhir_trial.writeback.checking import checked
from fhir_trial.writeback.codes import Release, release_of
from fhir_trial.writeback.enrolment import (
    ENROLMENT_CODES,
    enrolment_code,
    enrolment_of,
    moved_to,
    research_subject_r4,
    research_subject_r5,
)

IDENTIFIERS = (Identifier("https://trials.hospital.invalid/research-subject", "rs-1"),)
WHEN = date(2026, 3, 2)
STATE = "http://terminology.hl7.org/CodeSystem/research-subject-state"

#  status           before registration   after it                                                                         # WB-26
TABLE = """
   potential        potential-candidate   potential-candidate
   contacted        candidate             candidate
   declined         not-registered        not-registered
   consented        screening             screening
   screening        screening             screening
   eligible         eligible              eligible
   screen-failure   ineligible            ineligible
   on-study         on-study              on-study
   follow-up        follow-up             follow-up
   off-study        off-study             off-study
   withdrawn        withdrawn             off-study
   deceased         withdrawn             off-study
"""
ROWS = [line.split() for line in TABLE.strip().splitlines()]


def r4(status: Status, **more: Any) -> dict[str, Any]:
    return research_subject_r4(status, WHEN, "ResearchStudy/s1", "Patient/p1", IDENTIFIERS, **more)


def r5(status: Status, **more: Any) -> dict[str, Any]:
    return research_subject_r5(status, WHEN, "ResearchStudy/s1", "Patient/p1", IDENTIFIERS, **more)


@pytest.mark.parametrize(("status", "before", "after"), ROWS)
def test_every_status_has_its_code_in_both_releases(status: str, before: str, after: str) -> None:
    """WB-24, WB-25, WB-26."""
    for registered_on, code in ((None, before), (date(2026, 1, 1), after)):
        assert enrolment_code(Status(status), is_registered=registered_on is not None) == code
        in_r4 = checked(r4(Status(status), registered_on=registered_on))
        in_r5 = checked(r5(Status(status), registered_on=registered_on), Release.R5)
        assert in_r4["status"] == enrolment_of(in_r4) == enrolment_of(in_r5) == code
        assert in_r5["status"] == "active"


def test_the_table_leaves_no_status_out() -> None:
    """WB-26: no default."""
    assert {row[0] for row in ROWS} == set(ENROLMENT_CODES) == set(Status)


def test_the_subject_in_r5() -> None:
    """WB-25."""
    assert checked(r5(Status.POTENTIAL), Release.R5) == {
        "resourceType": "ResearchSubject",
        "identifier": [{"system": "https://trials.hospital.invalid/research-subject", "value": "rs-1"}],
        "status": "active",
        "progress": [
            {
                "type": {"coding": [{"system": f"{STATE}-type", "code": "Enrollment"}]},
                "subjectState": {"coding": [{"system": STATE, "code": "potential-candidate"}]},
                "startDate": "2026-03-02",
            }
        ],
        "study": {"reference": "ResearchStudy/s1"},
        "subject": {"reference": "Patient/p1"},
    }


def test_participation_begins_with_registration_and_ends_with_the_study() -> None:
    """WB-24."""
    on_study = r4(Status.ON_STUDY, registered_on=date(2026, 2, 1))

    ended = moved_to(on_study, "off-study", date(2026, 6, 1), registered_on=date(2026, 2, 1))

    assert "period" not in r4(Status.SCREENING)
    assert on_study["period"] == {"start": "2026-02-01"}
    assert ended["period"] == {"start": "2026-02-01", "end": "2026-06-01"}


def test_in_r5_a_move_ends_the_open_state_and_keeps_all_else() -> None:
    """WB-25."""
    milestone = {
        "type": {"coding": [{"system": f"{STATE}-type", "code": "Milestone"}]},
        "milestone": {
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/research-subject-milestone", "code": "Screened"}]
        },
        "startDate": "2026-03-09",
    }
    held = r5(Status.POTENTIAL)
    held = {**held, "progress": [*held["progress"], milestone], "assignedComparisonGroup": "g1"}

    after = checked(moved_to(held, "candidate", date(2026, 3, 10)), Release.R5)

    assert [item.get("endDate") for item in after["progress"]] == ["2026-03-10", None, None]
    assert after["progress"][1] == milestone
    assert (enrolment_of(held), enrolment_of(after)) == ("potential-candidate", "candidate")
    assert after["assignedComparisonGroup"] == "g1"


@given(st.lists(st.sampled_from(sorted({code for pair in ENROLMENT_CODES.values() for code in pair})), min_size=1, max_size=8))
def test_whatever_was_written_last_is_what_is_read_back(codes: list[str]) -> None:
    """WB-25: also when two moves fall on one day."""
    old, new = r4(Status.POTENTIAL), r5(Status.POTENTIAL)
    for code in codes:
        old, new = moved_to(old, code, WHEN), moved_to(new, code, WHEN)

    assert enrolment_of(checked(old)) == enrolment_of(checked(new, Release.R5)) == codes[-1]


@pytest.mark.parametrize("progress", [None, [], [{}], "x", [{"subjectState": {"coding": [{"system": "x", "code": "y"}]}}]])
def test_a_subject_that_says_no_state_has_none(progress: Any) -> None:
    assert enrolment_of({"resourceType": "ResearchSubject", "status": "active", "progress": progress}) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"status": "potential-candidate"},
        {"subject": {"reference": "Group/g1"}},
        {"progress": [{"subjectState": {"coding": [{"system": STATE, "code": "on-study"}]}}]},
        {"individual": {"reference": "Patient/p1"}},
    ],
)
def test_an_unfit_subject_does_not_leave_in_r5(wrong: dict[str, Any]) -> None:
    with pytest.raises(WriteRefusedError):
        checked({**r5(Status.POTENTIAL), **wrong}, Release.R5)


@pytest.mark.parametrize(
    ("version", "release"),
    [("4.0.1", Release.R4), ("4.3.0", Release.R4), ("5.0.0", Release.R5), ("3.0.2", None), ("6.0.0", None), (None, None)],
)
def test_the_release_is_the_servers(version: str | None, release: Release | None) -> None:
    """WB-25."""
    assert release_of(version) is release
