"""Whose data these are, what is ours, and what the source did not give.

R33, R40, DATA-03, DATA-23, DATA-45, DATA-47, VER-06, VER-07.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from fhir_trial.records.model import LoadState
from fhir_trial.records.own_results import OwnMarks
from tests.unit.records.conftest import ABOUT, Read, codes, observation, patient, without

OURS = "https://example.org/fhir-trial"


@pytest.mark.parametrize(
    ("subject", "kept", "issue"),
    [
        ({"reference": "Patient/p1"}, True, None),
        ({"reference": "Patient/p1/_history/3"}, True, None),
        ({"reference": "https://ehr.example.invalid/fhir/Patient/p1"}, True, None),
        ({"reference": "https://ehr.example.invalid/fhir/Patient/p1/_history/3"}, True, None),
        ({"reference": "urn:uuid:6f1d2f0e-0000-4000-8000-000000000001"}, True, None),  # the patient's fullUrl
        ({"reference": "urn:uuid:p1"}, True, None),
        ({"reference": "Patient/p2"}, False, "other-patient"),
        ({"reference": "Patient/p11"}, False, "other-patient"),
        ({"reference": "Group/p1"}, False, "subject-not-resolved"),
        ({"reference": "urn:uuid:nobody"}, False, "subject-not-resolved"),
        ({"reference": "#p1"}, False, "subject-not-resolved"),
        ({"display": "Somebody"}, False, "subject-missing"),
        ({"identifier": {"value": "1"}}, False, "subject-missing"),
        (None, False, "subject-missing"),
    ],
)
def test_only_what_names_this_patient_is_read_r33_data_47_ver_06(read: Read, subject: Any, kept: bool, issue: str | None) -> None:
    one = patient()
    record = read(
        observation(subject=subject), patients=(one,), by_reference={"urn:uuid:6f1d2f0e-0000-4000-8000-000000000001": one}
    )
    assert bool(record.observations) is kept
    assert codes(record) == ([issue] if issue else [])


def test_the_same_id_on_another_server_is_another_patient_r33(read: Read) -> None:
    one = patient()
    known = {"https://a.example.invalid/fhir/Patient/p1": one}
    here = observation(id="here", subject={"reference": "https://a.example.invalid/fhir/Patient/p1/_history/1"})
    there = observation(id="there", subject={"reference": "https://b.example.invalid/fhir/Patient/p1"})
    record = read(here, there, patients=(one,), by_reference=known)
    assert [found.origin.reference for found in record.observations] == ["Observation/here"]
    assert codes(record) == ["subject-not-resolved"]


def test_a_replaced_record_is_answered_without_its_data_r33(read: Read) -> None:
    link = [
        {"type": "seealso", "other": {"reference": "Patient/x"}},
        {"type": "replaced-by", "other": {"reference": "Patient/new"}},
    ]
    record = read(observation(), patients=(patient(link=link),))
    assert record.patient.replaced_by == "Patient/new"
    assert not record.observations
    assert codes(record) == ["patient-replaced", "patient-replaced"]


@pytest.mark.parametrize(
    ("change", "ours"),
    [
        ({"meta": {"tag": [{"system": f"{OURS}/CodeSystem/origin", "code": "computed"}]}}, True),
        ({"meta": {"tag": [{"system": f"{OURS}/CodeSystem/origin", "code": "entered"}]}}, False),
        ({"meta": {"tag": [{"system": "https://else.example.invalid/CodeSystem/origin", "code": "computed"}]}}, False),
        ({"meta": {"source": f"{OURS}/run"}}, True),
        ({"identifier": [{"system": f"{OURS}/screening-run", "value": "run-1"}]}, True),
        ({"identifier": {"system": f"{OURS}/screening-run", "value": "run-1"}}, True),
        ({"identifier": [{"system": "https://lab.example.invalid/run", "value": "1"}]}, False),
        ({"code": {"coding": [{"system": f"{OURS}/CodeSystem/screening", "code": "criterion-C7.5"}]}}, True),
        (
            {"code": {"coding": [{"system": "https://former.example.invalid/t/CodeSystem/screening", "code": "criterion-C7.5"}]}},
            True,
        ),
        # a named person's score is no computed result ...
        ({"identifier": [{"system": f"{OURS}/score", "value": "1"}], "performer": [{"reference": "Practitioner/x"}]}, False),
        ({"identifier": [{"system": f"{OURS}/score", "value": "1"}]}, True),
        ({"identifier": [{"system": f"{OURS}/score", "value": "1"}], "performer": [{"reference": "Organization/x"}]}, True),
        ({"identifier": [{"system": f"{OURS}/score", "value": "1"}], "performer": [{"display": "Dr Li"}]}, False),
        ({"identifier": [{"system": f"{OURS}/score", "value": "1"}], "performer": [{"display": "ours", "type": "Device"}]}, True),
        # ... but a run that a person confirmed still is, and so is what is tagged
        (
            {"identifier": [{"system": f"{OURS}/screening-run", "value": "1"}], "performer": [{"reference": "Practitioner/x"}]},
            True,
        ),
        (
            {
                "code": {"coding": [{"system": f"{OURS}/CodeSystem/screening", "code": "eligibility-screening"}]},
                "performer": [{"display": "x"}],
            },
            True,
        ),
        ({"meta": {"tag": [{"system": f"{OURS}/CodeSystem/origin", "code": "computed"}]}, "performer": [{"display": "x"}]}, True),
    ],
)
def test_our_own_results_are_left_out_and_counted_r40_ver_17(read: Read, change: Any, ours: bool) -> None:
    record = read(observation(**change), own=OwnMarks(("https://site.example.invalid/t", "https://former.example.invalid/t")))
    assert (record.own_results, len(record.observations)) == ((1, 0) if ours else (0, 1))
    assert codes(record) == []


@pytest.mark.parametrize(
    ("status", "identifier", "ours"),
    [
        ("potential-candidate", OURS, True),
        ("ineligible", OURS, True),
        ("on-study", OURS, False),
        ("potential-candidate", "https://x", False),
    ],
)
def test_a_research_subject_is_ours_while_it_says_what_only_the_machine_says_r40(
    read: Read, status: str, identifier: str, ours: bool
) -> None:
    subject = {
        "resourceType": "ResearchSubject",
        "id": "rs",
        "identifier": [{"system": f"{identifier}/research-subject", "value": "rs-1"}],
        "status": status,
        "individual": {"reference": "Patient/p1"},
        "study": {"reference": "ResearchStudy/s", "identifier": {"value": "NCT06789107"}},
        "consent": {"reference": "Consent/k/_history/2"},
        "period": {"start": "2026-01-01"},
    }
    study = {"resourceType": "ResearchStudy", "id": "s", "identifier": [{"value": "brasle"}], "title": "BRASLE"}
    record = read(subject, study)
    assert record.own_results == int(ours)
    if not ours:
        (found,) = record.subjects
        assert (found.study, found.consent) == ("ResearchStudy/s", "Consent/k")
        assert set(found.study_identifiers) >= {"NCT06789107", "brasle", "BRASLE"}


COMPUTED = {"tag": [{"system": f"{OURS}/CodeSystem/origin", "code": "computed"}]}
STATES = "http://terminology.hl7.org/CodeSystem/research-subject-state"


def r4(*statuses: str) -> dict[str, Any]:
    return {"resourceType": "ResearchSubject", "status": statuses[-1], "individual": {"reference": "Patient/p1"}}


def r5(*states: str) -> dict[str, Any]:
    progress = [{"subjectState": {"coding": [{"system": STATES, "code": state}]}} for state in states]
    plain = {"resourceType": "ResearchSubject", "status": "active", "subject": {"reference": "Patient/p1"}}
    return {**plain, "progress": progress} if progress else plain


@pytest.mark.parametrize("release", [r4, r5])
@pytest.mark.parametrize("base", [OURS, "https://site.example.invalid/t", "https://former.example.invalid/t"])
@pytest.mark.parametrize(
    ("states", "ours"),
    [
        (("potential-candidate",), True),
        (("potential-candidate", "ineligible"), True),
        (("ineligible", "potential-candidate"), True),
        (("potential-candidate", "on-study"), False),
        (("screening",), False),
    ],
)
def test_a_research_subject_of_either_release_is_known_by_tag_or_identifier_and_is_a_persons_by_its_state_r40(
    release: Any, base: str, states: tuple[str, ...], ours: bool
) -> None:
    """WB-09, WB-25: servers strip tags, and servers keep tags that an update left out; the state tells whose it is."""
    subject = release(*states)
    tagged = {"meta": {"tag": [{"system": f"{base}/CodeSystem/origin", "code": "computed"}]}}
    named = {"identifier": [{"system": f"{base}/research-subject", "value": "rs-1"}]}
    others = {"identifier": [{"system": "https://x.example.invalid/research-subject", "value": "rs-1"}]}
    marks = OwnMarks(("https://site.example.invalid/t", "https://former.example.invalid/t"))

    assert [marks.on(subject | mark) for mark in (tagged, named, tagged | named)] == [ours] * 3
    assert not marks.on(subject | others)


@pytest.mark.parametrize(
    ("change", "ours"),
    [
        ({"progress": [{"milestone": [{"text": "Signed up"}], "startDate": "2026-03-03"}]}, False),
        ({"progress": [{"subjectState": {"coding": [{"system": "https://x", "code": "ineligible"}]}}]}, False),
        ({"progress": "x"}, True),
        ({"progress": [5]}, False),
        ({"progress": [{"subjectState": "x"}]}, False),
        ({}, True),
    ],
)
def test_what_a_person_added_to_an_r5_progress_makes_it_theirs_and_a_lost_progress_does_not_r40(change: Any, ours: bool) -> None:
    assert OwnMarks().on(r5() | {"meta": COMPUTED} | change) is ours


def outcome(**issue: Any) -> dict[str, Any]:
    return {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "exception", **issue}]}


@pytest.mark.parametrize(
    ("resource", "observations", "conditions"),
    [
        (outcome(), LoadState.FAILED, LoadState.FAILED),
        (outcome(diagnostics="Observation could not be read"), LoadState.FAILED, LoadState.NO_CLAIM),
        (outcome(expression=["Observation.code"]), LoadState.FAILED, LoadState.NO_CLAIM),
        (outcome(location=["/f:Observation"]), LoadState.FAILED, LoadState.NO_CLAIM),
        (
            outcome(details={"text": "Observation?patient=1 was cut short"}, severity="warning"),
            LoadState.PARTIAL,
            LoadState.NO_CLAIM,
        ),
        (outcome(code="forbidden"), LoadState.NOT_AUTHORISED, LoadState.NOT_AUTHORISED),
        (outcome(code="suppressed"), LoadState.RESTRICTED, LoadState.RESTRICTED),
        (outcome(diagnostics="Patient data were not found"), LoadState.FAILED, LoadState.FAILED),
        (outcome(severity="information", code="informational"), LoadState.NO_CLAIM, LoadState.NO_CLAIM),
        (
            outcome(severity="information", code="informational", details={"coding": [{"code": "4134"}]}),
            LoadState.RESTRICTED,
            LoadState.RESTRICTED,
        ),
        ({"resourceType": "OperationOutcome"}, LoadState.FAILED, LoadState.FAILED),
    ],
)
def test_an_operation_outcome_tells_what_was_not_loaded_data_03(
    read: Read, resource: Any, observations: LoadState, conditions: LoadState
) -> None:
    record = read(resource, observation())
    assert (record.state("Observation"), record.state("Condition")) == (observations, conditions)
    assert len(record.observations) == 1
    assert "operation-outcome" in codes(record)


def test_an_outcome_that_names_no_type_touches_what_was_fetched_and_spares_worse_states(read: Read) -> None:
    states = {"Observation": LoadState.FETCHED, "Condition": LoadState.NOT_AUTHORISED}
    record = read(outcome(severity="warning"), states=states, default_state=LoadState.NOT_ASKED)
    assert record.states == {"Observation": LoadState.PARTIAL, "Condition": LoadState.NOT_AUTHORISED}
    assert record.default_state is LoadState.NOT_ASKED


def test_types_that_are_not_read_are_counted_and_junk_is_named(read: Read) -> None:
    record = read({"resourceType": "Claim"}, {"resourceType": "Claim"}, {"resourceType": "Organization"}, {"resourceType": 5}, {})
    assert [(issue.code, issue.path) for issue in record.issues] == [
        ("resource-not-understood", "resourceType"),
        ("resource-not-understood", "resourceType"),
        ("type-not-read", "Claim"),
    ]


# the patient

SEX = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex"
OTHER_SEX = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-sex"


@pytest.mark.parametrize(
    ("extensions", "sex", "disagreements"),
    [
        ([], None, set()),
        ([{"url": SEX, "valueCode": "F"}], "female", set()),
        ([{"url": SEX, "valueCode": "UNK"}], "unknown", set()),
        ([{"url": OTHER_SEX, "valueCoding": {"code": "male"}}], "male", set()),
        ([{"url": OTHER_SEX, "valueCodeableConcept": {"coding": [{"code": "male"}]}}], "male", set()),
        ([{"url": SEX, "valueCode": "F"}, {"url": OTHER_SEX, "valueCode": "M"}], "unknown", {"sex"}),
        ([{"url": SEX, "valueCode": 5}, {"url": 3}, {"url": "x"}], "unknown", set()),
    ],
)
def test_birth_sex_comes_from_extensions_r28_data_42(
    read: Read, extensions: Any, sex: str | None, disagreements: set[str]
) -> None:
    found = read(patients=(patient(extension=extensions),)).patient
    assert (found.birth_sex, set(found.disagreements)) == (sex, disagreements)


@pytest.mark.parametrize(
    ("copies", "birth", "gender", "disagreements"),
    [
        (({}, {}), "2010-05-17", "female", set()),
        (({"birthDate": "2010"}, {}), "2010-05-17", "female", set()),
        (({}, {"birthDate": "2010-05"}), "2010-05-17", "female", set()),
        (({}, {"birthDate": "2011-05-17"}), "2011-05-17", "female", {"birthDate"}),
        (({}, {"gender": "male"}), "2010-05-17", "male", {"sex"}),
        (({}, {"gender": "unknown"}), "2010-05-17", "female", set()),
        (({}, {"gender": None, "birthDate": None}), "2010-05-17", "female", set()),
        (
            ({"extension": [{"url": SEX, "valueCode": "M"}]}, {"extension": [{"url": SEX, "valueCode": "F"}]}),
            "2010-05-17",
            "female",
            {"sex"},
        ),
    ],
)
def test_copies_of_a_patient_are_merged_and_what_differs_is_told_ver_07(
    read: Read, copies: Any, birth: str, gender: str, disagreements: set[str]
) -> None:
    record = read(patients=tuple(patient(**copy) for copy in copies))
    assert record.patient.birth is not None
    assert (record.patient.birth.text, record.patient.gender) == (birth, gender)
    assert set(record.patient.disagreements) == disagreements
    assert codes(record) == ["patient-copies-differ"] * len(disagreements)


@pytest.mark.parametrize(
    ("change", "deceased", "on", "issues"),
    [
        ({}, False, None, []),
        ({"deceasedBoolean": False}, False, None, []),
        ({"deceasedBoolean": True}, True, None, []),
        ({"deceasedBoolean": "true"}, False, None, ["wrong-type", "not-understood"]),
        ({"deceasedDateTime": "2026-01"}, True, "2026-01", []),
        ({"deceasedDateTime": "soon"}, True, None, ["date-not-understood"]),
        ({"deceasedDateTime": 5}, False, None, ["wrong-type", "not-understood"]),
    ],
)
def test_death_is_read_even_if_its_date_is_not_data_40(
    read: Read, change: Any, deceased: bool, on: str | None, issues: list[str]
) -> None:
    record = read(patients=(patient(**change),))
    assert (record.patient.deceased, record.patient.deceased_on.text if record.patient.deceased_on else None) == (deceased, on)
    assert codes(record) == issues
    assert record.patient.unread == (frozenset({"deceased"}) if "not-understood" in issues else frozenset())


def test_a_patient_with_an_unknown_modifier_keeps_neither_birth_nor_sex_data_22(read: Read) -> None:
    record = read(patients=(patient(modifierExtension=[{"url": "x"}], active=False),))
    assert (record.patient.birth, record.patient.gender, record.patient.active) == (None, None, False)
    assert record.patient.unusable == "modifier-extension"


@pytest.mark.parametrize(("active", "issues"), [(False, ["patient-inactive"]), (True, []), (None, [])])
def test_a_record_no_longer_in_use_is_reported_r32(read: Read, active: bool | None, issues: list[str]) -> None:
    assert codes(read(patients=(patient(active=active),))) == issues


def test_an_odd_gender_is_an_issue(read: Read) -> None:
    record = read(patients=(patient(gender="F"),))
    assert record.patient.gender is None
    assert codes(record) == ["code-not-understood"]


# questionnaires and absences


def response(**more: Any) -> dict[str, Any]:
    return {"resourceType": "QuestionnaireResponse", "id": "q1", "status": "completed", "authored": "2026-02-01", **ABOUT, **more}


def test_answers_are_flattened_in_the_order_of_the_form_with_codes_of_their_questionnaire(read: Read) -> None:
    form = {
        "resourceType": "Questionnaire",
        "id": "q",
        "item": [{"linkId": "1", "text": "Score", "code": [{"code": "sledai"}]}, {"text": "No id"}],
    }
    items = [
        {
            "linkId": "1",
            "answer": [{"valueDecimal": 8, "item": [{"linkId": "2", "text": "Who", "answer": [{"valueString": "A"}]}]}],
        },
        {"linkId": "3", "item": [{"linkId": "4", "answer": [{"valueBoolean": True}, {"valueCoding": {"code": "y"}}, {}]}]},
        {"linkId": "5", "modifierExtension": [{"url": "x"}], "answer": [{"valueInteger": 1}]},
    ]
    record = read(response(questionnaire="#q", contained=[form], item=items, author={"reference": "Practitioner/x"}))
    assert [(answer.link_id, answer.text) for answer in record.answers] == [
        ("1", "Score"),
        ("2", "Who"),
        ("4", None),
        ("4", None),
    ]
    assert record.answers[0].code is not None
    assert record.answers[0].performed
    assert codes(record) == ["modifier-extension"]


@pytest.mark.parametrize("status", ["in-progress", "stopped", "entered-in-error", None, "odd"])
def test_an_unfinished_response_is_left_out_and_named(read: Read, status: str | None) -> None:
    record = read(response(status=status, item=[{"linkId": "1", "answer": [{"valueInteger": 8}]}]))
    assert not record.answers
    assert len(record.issues) == 1


def absent(kind: str, **more: Any) -> dict[str, Any]:
    status = {"List": "current", "Composition": "final"}[kind]
    return {"resourceType": kind, "id": "l", "status": status, "date": "2026-02-01", **ABOUT, **more}


NIL = {"emptyReason": {"coding": [{"code": "nilknown"}]}}


@pytest.mark.parametrize(
    ("resource", "about"),
    [
        (absent("List", title="Current medications", **NIL), ["medication"]),
        (absent("List", code={"text": "Problem list"}, **NIL), ["condition"]),
        (absent("List", code={"coding": [{"code": "1"}]}, **NIL), [None]),
        (absent("List", title="Medications", emptyReason={"coding": [{"code": "unavailable"}]}), []),
        (absent("List", title="Medications"), []),
        (absent("List", title="Medications", entry=[{}], **NIL), []),
        (absent("List", title="Medications", mode="changes", **NIL), []),
        (absent("List", title="Medications", **NIL) | {"status": "retired"}, []),
        (absent("List", title="Medications", **NIL) | {"subject": {"reference": "Patient/p2"}}, []),
        (
            absent("Composition", section=[{"title": "Medication Summary", **NIL}, {"section": [{"title": "Allergies", **NIL}]}]),
            ["allergy", "medication"],
        ),
    ],
)
def test_only_nilknown_states_absence_data_38_r12(read: Read, resource: Any, about: list[str | None]) -> None:
    record = read(resource)
    assert [statement.about for statement in record.absences] == about
    assert all(statement.dated and statement.dated.text == "2026-02-01" for statement in record.absences)


def test_reading_leaves_the_resources_as_they_were(read: Read) -> None:
    """The same patient is read again for the next trial, and must say the same (VER-02)."""
    resources = [
        absent("Composition", section=[{"title": "Medication Summary", **NIL}, {"section": [{"title": "Allergies", **NIL}]}]),
        response(
            status="completed",
            item=[
                {
                    "linkId": "1",
                    "item": [{"linkId": "1.1", "answer": [{"valueInteger": 8}]}],
                    "answer": [{"valueInteger": 1, "item": [{"linkId": "1.2", "answer": [{"valueInteger": 9}]}]}],
                }
            ],
        ),
    ]
    before = deepcopy(resources)

    first, second = read(*resources), read(*resources)

    assert resources == before
    assert first.absences == second.absences != ()
    assert first.answers == second.answers != ()


def test_without_a_date_of_its_own_nothing_is_invented(read: Read) -> None:
    (statement,) = read(without(absent("List", title="Medications", **NIL), "date")).absences
    assert statement.dated is None
