"""Candidates for other programs, and the screening log."""

from datetime import UTC, datetime

from fhir.resources.R4B.group import Group
from fhir.resources.R4B.list import List

from fhir_trial.population.handing_over import age_of, candidate_rows, candidates, group_of, list_of
from fhir_trial.population.screening_log import HEAD, log_rows
from tests.unit.population.funnels import little_trial, row, rows

TRIAL = little_trial("I1", "I2", "L3")
ROWS = rows(TRIAL, "TTT", "Ts?", "FTT", "FF?+")
NAMED = "Candidates for a little trial"


def test_candidates_are_the_potentially_eligible_and_if_wished_those_still_open() -> None:
    assert [one.patient for one in candidates(ROWS, TRIAL, include_open=False)] == ["Patient/p0"]
    assert [one.patient for one in candidates(ROWS, TRIAL, include_open=True)] == ["Patient/p0", "Patient/p1"]


def test_candidates_of_another_trial_are_not_among_them() -> None:
    other = little_trial("I1", name="other")

    assert list(candidates([row(other, "T")], TRIAL, include_open=True)) == []


def test_a_group_of_candidates_is_a_group_of_persons_in_fhir() -> None:
    group = group_of(candidates(ROWS, TRIAL, include_open=True), TRIAL, named=NAMED)

    Group.model_validate(group)
    assert (group["type"], group["actual"], group["quantity"]) == ("person", True, 2)
    assert [member["entity"]["reference"] for member in group["member"]] == ["Patient/p0", "Patient/p1"]


def test_a_list_of_candidates_is_a_list_in_fhir() -> None:
    found = list_of(candidates(ROWS, TRIAL, include_open=True), TRIAL, named=NAMED, at=datetime(2026, 3, 2, tzinfo=UTC))

    List.model_validate(found)
    assert [entry["item"]["reference"] for entry in found["entry"]] == ["Patient/p0", "Patient/p1"]


def test_nobody_makes_a_group_and_a_list_without_members() -> None:
    group = group_of([], TRIAL, named=NAMED)
    found = list_of([], TRIAL, named=NAMED, at=datetime(2026, 3, 2, tzinfo=UTC))

    Group.model_validate(group)
    List.model_validate(found)
    assert "member" not in group
    assert not {"entry", "emptyReason"} & set(found)


def test_a_candidate_has_a_line_that_says_what_is_missing() -> None:
    (line,) = candidate_rows([row(TRIAL, "Ts?", sex=None)])

    assert line == ["Patient/p", "little", "v1", "indeterminate", "I2", "30", "", ""]
    assert age_of(row(TRIAL, "TTT", youngest=11, oldest=12)) == "11-12"
    assert age_of(row(TRIAL, "TTT", youngest=None, oldest=None)) == ""


def test_a_screening_log_says_the_first_criterion_against_and_what_is_open() -> None:
    # SEC-44: no id of the hospital's.
    lines = [dict(zip(HEAD, line, strict=True)) for line in log_rows(ROWS, [TRIAL], "2026-03-02", lambda _, number: str(number))]

    assert [line["subject"] for line in lines] == ["1", "2", "3", "4"]
    assert [line["first_against"] for line in lines] == ["", "", "I1", "deceased"]
    assert [line["first_against_title"] for line in lines] == ["", "", "Title of I1", "Has died"]
    assert [line["against"] for line in lines] == ["", "", "I1", "deceased I1 I2"]
    assert [line["open"] for line in lines] == ["", "I2: stale", "", ""]
    assert {line["answered_by_people"] for line in lines} == {""}
    assert {line["age"] for line in lines} == {"18-39"}
    assert not any("Patient/" in cell for line in lines for cell in line.values())


def test_a_patient_has_one_number_in_a_log_of_several_trials() -> None:
    other = little_trial("I1", name="other")
    both = [row(TRIAL, "TTT", "Patient/a"), row(other, "T", "Patient/a"), row(TRIAL, "TTT", "Patient/b")]

    lines = list(log_rows(both, [TRIAL, other], "2026-03-02", lambda _, number: str(number)))

    assert [line[0] for line in lines] == ["1", "1", "2"]
