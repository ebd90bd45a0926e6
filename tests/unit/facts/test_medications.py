"""The medication history: recognised, unidentifiable and other drugs, courses, and what was given when."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from fhir_trial.facts.courses import Course, Standing
from fhir_trial.facts.doses import Dose, Unreadable
from fhir_trial.facts.medications import MedicationHistory, Unidentified, identify, read_history
from fhir_trial.records.model import Medication
from fhir_trial.terminology import Coding, Concept
from tests.unit.medication_records import RXNORM, Json, S, case_of, days, dosage, medication, terminology


def history(*resources: Json, **more: Any) -> MedicationHistory:
    return case_of(*resources, **more).facts.medications


def only(found: MedicationHistory) -> Course:
    (course,) = found.courses
    return course


# --- one order, several records (DATA-36) ---------------------------------------------------------------------------


def test_records_of_the_same_order_are_one_course_and_the_order_speaks() -> None:
    """Linked by reference or by identifier."""
    number: Json = {"identifier": [{"system": "urn:rx", "value": "7"}]}
    ordered = medication("order", "hcq 200", "2025-06-01", "400 mg", **number)
    link = {"reference": f"MedicationRequest/{ordered['id']}"}
    supply = medication("supply", "hcq 200", "2025-06-02", None, None, authorizingPrescription=[link], daysSupply=days(30))
    dose = medication("given", "hcq 200", "2025-06-03", request=link)
    report = medication("report", "hcq 200", "2025-06-01", "200 mg", **number)

    course = only(history(report, dose, supply, ordered))

    assert course.use.origin.reference == f"MedicationRequest/{ordered['id']}"
    assert len(course.same) == 3
    assert course.steps[0].dose == Dose.of(400)
    assert course.supplied_until(S) == date(2025, 7, 1)


def test_a_newer_copy_of_the_same_order_speaks_and_one_number_for_two_strengths_is_two_courses() -> None:
    number: Json = {"identifier": [{"system": "urn:rx", "value": "7"}]}
    old = medication("order", "prednisone 5", "2025-06-01", "5 mg", **number, meta={"lastUpdated": "2025-06-01T08:00:00Z"})
    new = medication(
        "order", "prednisone 5", "2025-06-01", "5 mg", **number, meta={"lastUpdated": "2025-07-01T08:00:00Z"}, status="stopped"
    )
    other = medication("order", "prednisone 2.5", "2025-06-01", "2.5 mg", **number)

    found = history(old, new, other)

    assert sorted((course.label, course.standing) for course in found.courses) == [
        ("prednisone 2.5 MG Oral Tablet", Standing.OPEN),
        ("prednisone 5 MG Oral Tablet", Standing.ENDED),
    ]


def test_a_reference_to_the_order_of_another_drug_joins_nothing() -> None:
    ordered = medication("order", "hcq 200", "2025-06-01")
    supply = medication(
        "supply", "mmf 500", "2025-06-01", authorizingPrescription=[{"reference": f"MedicationRequest/{ordered['id']}"}]
    )

    assert len(history(ordered, supply).courses) == 2


def test_a_chain_of_links_is_one_course() -> None:
    first = medication("order", "hcq 200", "2025-06-01", identifier=[{"system": "a", "value": "1"}])
    second = medication("order", "hcq 200", "2025-06-01", identifier=[{"system": "b", "value": "1"}])
    both = medication(
        "report", "hcq 200", "2025-06-01", identifier=[{"system": "a", "value": "1"}, {"system": "b", "value": "1"}]
    )

    assert len(only(history(first, second, both)).same) == 2


# --- which drug -----------------------------------------------------------------------------------------------------


def test_drugs_are_sorted_into_recognised_unidentifiable_and_others() -> None:
    """DATA-33, R38."""
    found = history(
        medication("order", "hcq 200", "2025-06-01"),
        medication("order", "amoxicillin", "2025-06-01"),
        medication("order", {"medicationReference": {"display": "rituximab"}}, "2025-06-01"),
        medication("order", {"medicationCodeableConcept": {"text": "home medicine"}}, "2025-06-01"),
        medication("order", "mmf 500", "2025-06-01", status="entered-in-error"),
        medication(
            "report",
            {
                "medicationCodeableConcept": {
                    "coding": [
                        {"system": "http://hl7.org/fhir/uv/ips/CodeSystem/absent-unknown-uv-ips", "code": "no-medication-info"}
                    ]
                }
            },
            None,
        ),
    )

    assert [course.ingredient.name for course in found.courses] == ["hydroxychloroquine"]
    assert [drug.label for drug in found.unidentified] == ["rituximab", "home medicine"]
    assert len(found.others) == 1
    assert found.absences == ()


def test_a_drug_without_any_name_has_a_label() -> None:
    (drug,) = history(medication("order", {}, "2025-06-01")).unidentified

    assert drug.label == "a drug without a name"
    assert drug.could_be_of(("biologic",))


def test_a_recognised_drug_that_may_not_be_used_could_only_be_of_its_own_class() -> None:
    case = case_of(medication("order", "hcq 200", "2025-06-01", doNotPerform="perhaps"))
    (drug,) = case.facts.medications.unidentified

    assert drug.could_be_of(("antimalarial",))
    assert not drug.could_be_of(("biologic",))
    assert isinstance(drug, Unidentified)
    assert history(medication("order", "amoxicillin", "2025-06-01", doNotPerform="perhaps")).unidentified == ()


def test_a_medication_is_recognised_by_its_ingredients_and_its_form() -> None:
    prednisone = Concept((Coding(RXNORM, "8640"),))
    tacrolimus = Concept((Coding(RXNORM, "42316"),))
    local = Concept((Coding("urn:local", "1"),))

    both = identify(Medication(local, (prednisone, tacrolimus), Concept((), "Oral Tablet"), True), terminology())
    unformed = identify(Medication(local, (prednisone,), None, True), terminology())
    strange = identify(Medication(local, (prednisone,), Concept((), "thing"), True), terminology())

    assert both is not None
    assert [one.name for one in both.ingredients] == ["prednisone", "tacrolimus"]
    assert both.route == "oral"
    assert unformed is not None
    assert unformed.route is None
    assert strange is not None
    assert (strange.route, strange.form) == (None, "thing")
    assert identify(Medication(local, (local,), None, True), terminology()) is None


@pytest.mark.parametrize(
    ("drug", "route", "counts"),
    [
        ("prednisone", None, None),
        ("prednisone", "oral", True),
        ("prednisone", "nasogastric", True),
        ("prednisone", "ophthalmic", False),
        ("prednisone 5", None, True),
        ("prednisone 5", "in some way", True),
        ("methylprednisolone iv", None, False),
        ("tacrolimus ointment", None, False),
        ("cyc iv", "intravenous", True),
        ("belimumab", None, True),
    ],
)
def test_whether_a_course_counts_for_its_class(drug: str, route: str | None, counts: bool | None) -> None:
    instruction = dosage("10 mg") | ({"route": {"text": route}} if route else {})

    assert only(history(medication("order", drug, "2025-06-01", dosages=[instruction]))).counts is counts


# --- stated absence (R12, DATA-38) ----------------------------------------------------------------------------------


def test_only_no_known_medications_states_an_absence() -> None:
    coded = {"medicationCodeableConcept": {"coding": [{"system": "http://snomed.info/sct", "code": "787481004"}]}}
    worded = {"medicationCodeableConcept": {"text": "Not currently on any medications"}}
    emptied = {
        "resourceType": "List",
        "id": "l1",
        "status": "current",
        "mode": "snapshot",
        "subject": {"reference": "Patient/p1"},
        "title": "Medication list",
        "date": "2026-01-01",
        "emptyReason": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/list-empty-reason", "code": "nilknown"}]},
    }

    for resource in (medication("report", coded, "2026-01-01"), medication("report", worded, "2026-01-01"), emptied):
        found = history(resource)
        assert found.states_absence(S) is not None
        assert found.states_absence(date(2025, 12, 31)) is None
        assert found.courses == ()
    assert history().states_absence(S) is None
    assert history(medication("report", coded, None)).states_absence(S) is not None
    assert history(medication("report", coded, "2026-01-01", status="entered-in-error")).states_absence(S) is None


@pytest.mark.parametrize(("code", "states"), [("10160-0", True), ("48765-2", False)])
def test_an_empty_list_that_says_only_by_its_code_what_it_lists_states_that_nothing_is_taken(code: str, states: bool) -> None:
    """R12, DATA-38: the code of the medication section; that of allergies says nothing of drugs."""
    emptied = {
        "resourceType": "List",
        "id": "l1",
        "status": "current",
        "mode": "snapshot",
        "subject": {"reference": "Patient/p1"},
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "date": "2026-01-01",
        "emptyReason": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/list-empty-reason", "code": "nilknown"}]},
    }

    assert (history(emptied).states_absence(S) is not None) is states


# --- doses and days of a course -------------------------------------------------------------------------------------


def bounds(start: str | None = None, end: str | None = None, number: int | None = None) -> Json:
    said: Json = {"frequency": 1, "period": 1, "periodUnit": "d"}
    if number:
        said["boundsDuration"] = days(number)
    elif start or end:
        said["boundsPeriod"] = {key: day for key, day in (("start", start), ("end", end)) if day}
    return {"timing": {"repeat": said}}


def steps(*instructions: Json) -> list[tuple[str | None, str | None, Any]]:
    course = only(history(medication("order", "prednisone 5", "2026-01-01", dosages=instructions)))
    return [
        (step.start.first.isoformat() if step.start else None, step.end.first.isoformat() if step.end else None, step.dose)
        for step in course.steps
    ]


def test_several_instructions_are_a_sum_unless_they_follow_each_other() -> None:
    together = steps(dosage("10 mg"), dosage("5 mg"), dosage("5 mg"))
    taper = steps(
        dosage("20 mg", sequence=2) | bounds(number=7),
        dosage("30 mg", sequence=1) | bounds(number=7),
        dosage("10 mg", sequence=3),
    )
    dated = steps(dosage("20 mg") | bounds("2026-01-01", "2026-01-31"), dosage("10 mg") | bounds("2026-02-01"))
    half = steps(dosage("20 mg") | bounds("2026-01-01", "2026-01-31"), {"text": "and as directed"})

    assert together == [(None, None, Dose.of(20))]
    assert taper == [
        ("2026-01-01", "2026-01-07", Dose.of(30)),
        ("2026-01-08", "2026-01-14", Dose.of(20)),
        ("2026-01-15", None, Dose.of(10)),
    ]
    assert dated == [("2026-01-01", "2026-01-31", Dose.of(20)), ("2026-02-01", None, Dose.of(10))]
    assert half == [("2026-01-01", "2026-01-31", Dose.of(20)), (None, None, Unreadable.TEXT_ONLY)]


def test_a_sequence_whose_steps_have_no_length_cannot_be_laid_out() -> None:
    assert steps(dosage("20 mg", sequence=1), dosage("10 mg", sequence=2)) == [(None, None, Unreadable.STEPS)]
    assert steps(dosage("20 mg", sequence=1), dosage("10 mg", sequence=1)) == [(None, None, Dose.of(30))]


@pytest.mark.parametrize(
    ("instructions", "first", "last"),
    [
        ([], "2026-01-01", None),
        ([dosage("5 mg")], "2026-01-01", None),
        ([dosage("5 mg") | bounds("2026-01-05", "2026-01-20")], "2026-01-05", "2026-01-20"),
        ([dosage("5 mg") | bounds(number=14)], "2026-01-01", "2026-01-14"),
        ([dosage("5 mg") | bounds("2026-01-05", "2026-01-20"), dosage("5 mg")], "2026-01-01", None),
        (
            [dosage("5 mg") | bounds("2026-01-05", "2026-01-20"), dosage("2 mg") | bounds("2026-01-21", "2026-02-20")],
            "2026-01-05",
            "2026-02-20",
        ),
        (
            [dosage("5 mg", sequence=1) | bounds(number=7), dosage("2 mg", sequence=2) | bounds(number=7)],
            "2026-01-01",
            "2026-01-14",
        ),
        ([dosage("5 mg", sequence=1) | bounds(number=7), dosage("2 mg", sequence=2)], "2026-01-01", None),
        ([{"text": "as directed"}], "2026-01-01", None),
    ],
)
def test_an_order_lasts_as_long_as_its_dosages_say(instructions: list[Json], first: str, last: str | None) -> None:
    course = only(history(medication("order", "prednisone 5", "2026-01-01", dosages=instructions)))

    assert course.start is not None
    assert course.start.first.isoformat() == first
    assert (course.end.first.isoformat() if course.end else None) == last


def test_an_order_without_any_date_has_no_days() -> None:
    course = only(history(medication("order", "prednisone 5", None, dosages=[dosage("5 mg") | bounds(number=14)])))

    assert (course.start, course.end, course.dated) == (None, None, None)
    assert course.known_on(date(2000, 1, 1))
    assert course.supplied_until(S) is None


# --- what was given when --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("resource", "day", "certain"),
    [
        (medication("given", "filgrastim", "2026-02-25"), "2026-02-25", True),
        (medication("given", "filgrastim", "2026-02-22"), None, None),
        (medication("given", "filgrastim", "2026-03-03"), None, None),
        (medication("given", "filgrastim", "2026-02"), "2026-02", False),
        (medication("order", "filgrastim", "2026-01-01"), "2026-03-02", True),  # active: to the last day
        (medication("order", "filgrastim", "2026-01-01", status="stopped"), None, None),
        (medication("order", "filgrastim", "2026-02-24", status="stopped"), "2026-02-24", True),
        (medication("order", "filgrastim", "2026-01-01", end="2026-02-23", status="completed"), "2026-02-23", True),
        (medication("order", "filgrastim", "2026-01-01", status="on-hold"), None, None),
        (medication("report", "filgrastim", "2026-01-01", status="not-taken"), None, None),
        (medication("report", "filgrastim", "2026-02-25", status="unknown"), "2026-02-25", False),
        (medication("report", "filgrastim", None), None, None),
    ],
)
def test_what_was_given_within_some_days(resource: Json, day: str | None, certain: bool | None) -> None:
    found = history(resource).given("gcsf", date(2026, 2, 23), S)

    assert [(one.day.text, one.certain) for one in found] == ([(day, certain)] if day else [])
    assert history(resource).given("antimalarial", date(2026, 2, 23), S) == ()


def test_the_last_dose_of_some_drugs() -> None:
    """For "repeat in n weeks" beside CD19."""
    found = history(
        medication("given", "rituximab", "2025-12-01"),
        medication("given", "rituximab", "2026-01-02"),
        medication("given", "belimumab", "2026-02-02"),
        medication("given", "rituximab", "2026-04-01"),
    )

    last = found.last_given(("rituximab", "obinutuzumab"), S)

    assert last is not None
    assert last.day.first == date(2026, 1, 2)
    assert found.last_given(("obinutuzumab",), S) is None
    assert [one.day.first.month for one in found.given("biologic", date(2026, 1, 1), S)] == [1, 2]


def test_a_history_can_be_empty() -> None:
    assert MedicationHistory().of("biologic") == ()
    assert read_history(case_of().facts.record, terminology()).courses == ()


@pytest.mark.parametrize(
    ("system", "name", "could_be_ours"),
    [
        ("http://lis.example.invalid/drug", "强松片", True),
        ("http://lis.example.invalid/drug", "Amoxicillin 250 mg", False),
        ("http://snomed.info/sct", "阿莫西林", False),
    ],
)
def test_a_name_we_cannot_read_under_a_hospitals_own_code_could_be_any_drug(system: str, name: str, could_be_ours: bool) -> None:
    """DATA-33, R13: unmatched is unknown and listed, never "not taken"."""
    coded = {"coding": [{"system": system, "code": "Y01"}], "text": name}

    found = history(medication("order", "amoxicillin", "2025-06-01", medicationCodeableConcept=coded))

    assert (len(found.unidentified), len(found.others)) == ((1, 0) if could_be_ours else (0, 1))
