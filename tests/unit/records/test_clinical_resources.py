"""Conditions, encounters, medications, procedures, reports, consents."""

from __future__ import annotations

from base64 import b64encode
from decimal import Decimal
from typing import Any

import pytest

from fhir_trial.records.attachments import LARGEST_ATTACHMENT
from fhir_trial.records.model import Quantity, QuantityRange
from fhir_trial.terminology.concepts import Coding
from tests.unit.records.conftest import ABOUT, Json, Read, codes, patient

LUPUS = {"text": "Systemic lupus erythematosus"}


def condition(**more: Any) -> Json:
    return {"resourceType": "Condition", "id": "c1", "code": LUPUS, **ABOUT, **more}


def coded(code: str) -> Json:
    return {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/x", "code": code}]}


@pytest.mark.parametrize(
    ("change", "clinical", "verification", "unusable", "issues"),
    [
        ({}, None, None, None, []),
        ({"clinicalStatus": coded("active"), "verificationStatus": coded("confirmed")}, "active", "confirmed", None, []),
        ({"verificationStatus": coded("refuted")}, None, "refuted", None, []),
        ({"clinicalStatus": "resolved"}, "resolved", None, None, ["wrong-type"]),
        ({"clinicalStatus": {"text": "Remission"}}, "remission", None, None, []),
        ({"clinicalStatus": coded("better")}, None, None, None, ["code-not-understood"]),
        ({"verificationStatus": coded("probable")}, None, None, "status-not-understood", ["code-not-understood"]),
        ({"modifierExtension": [{"url": "x"}]}, None, None, "modifier-extension", ["modifier-extension"]),
    ],
)
def test_clinical_and_verification_status_data_50_data_51(
    read: Read, change: Any, clinical: str | None, verification: str | None, unusable: str | None, issues: list[str]
) -> None:
    record = read(condition(**change))
    (found,) = record.conditions
    assert (found.clinical, found.verification, found.unusable) == (clinical, verification, unusable)
    assert codes(record) == issues


def test_a_condition_entered_in_error_is_left_out_and_named_data_50(read: Read) -> None:
    record = read(condition(verificationStatus=coded("entered-in-error")))
    assert not record.conditions
    assert codes(record) == ["status-left-out"]


@pytest.mark.parametrize(
    ("change", "onset"),
    [
        ({"onsetDateTime": "2020"}, ("2020-01-01", "2020-12-31")),
        ({"onsetPeriod": {"start": "2020-05-01", "end": "2021"}}, ("2020-05-01", "2020-05-01")),
        ({"onsetPeriod": {"end": "2021-03-01"}}, ("0001-01-01", "2021-03-01")),
        ({"onsetAge": {"value": 10, "code": "a", "system": "http://unitsofmeasure.org"}}, ("2020-05-17", "2021-05-16")),
        ({"onsetAge": {"value": 18, "unit": "months"}}, ("2011-11-17", "2011-12-16")),
        ({"onsetAge": {"value": 2, "unit": "wk"}}, ("2010-05-31", "2010-06-06")),
        (
            {"onsetRange": {"low": {"value": 8, "unit": "years"}, "high": {"value": 9, "unit": "years"}}},
            ("2018-05-17", "2020-05-16"),
        ),
        ({"onsetRange": {"low": {"value": 8, "unit": "years"}}}, ("2018-05-17", "9999-12-30")),
        ({"onsetAge": {"value": 10, "unit": "moons"}}, None),
        ({"onsetAge": {"value": "10", "unit": "a"}}, None),
        ({"onsetString": "as a child"}, None),
    ],
)
def test_onset_is_a_date_a_period_or_an_age_data_54(read: Read, change: Any, onset: tuple[str, str] | None) -> None:
    (found,) = read(condition(**change)).conditions
    assert (None if found.onset is None else (found.onset.first.isoformat(), found.onset.last.isoformat())) == onset
    assert found.notes == (("as a child",) if "onsetString" in change else ())


@pytest.mark.parametrize(
    ("change", "ended", "abatement"),
    [
        ({"abatementDateTime": "2024"}, True, "2024"),
        ({"abatementPeriod": {"end": "2024-05"}}, True, "2024-05"),
        ({"abatementAge": {"value": 9}}, True, None),
        ({"abatementString": "long ago"}, True, None),
        ({"abatementBoolean": True}, True, None),
        ({"abatementBoolean": False}, False, None),
        ({}, False, None),
    ],
)
def test_any_abatement_ends_a_condition_data_54(read: Read, change: Any, ended: bool, abatement: str | None) -> None:
    (found,) = read(condition(**change)).conditions
    assert (found.ended, found.abatement.text if found.abatement else None) == (ended, abatement)


def encounter(**more: Any) -> Json:
    return {"resourceType": "Encounter", "id": "e1", "status": "finished", "period": {"start": "2025-03-01"}, **ABOUT, **more}


ROLE = {"resourceType": "PractitionerRole", "id": "r", "specialty": [{"text": "Nephrology"}], "code": [{"text": "doctor"}]}


def test_a_condition_takes_specialty_and_date_from_its_encounter_and_recorder(read: Read) -> None:
    visit = encounter(serviceType={"text": "Rheumatology"}, participant=[{"individual": {"display": "Dr Li"}}])
    record = read(condition(encounter={"reference": "Encounter/e1"}, recorder={"reference": "PractitionerRole/r"}), visit, ROLE)
    (found,) = record.conditions
    assert found.specialty == "Rheumatology; Dr Li; Nephrology; doctor"
    assert found.recorded is not None
    assert found.recorded.text == "2025-03-01"


def test_recorded_date_and_asserted_date_go_before_the_encounters(read: Read) -> None:
    asserted = {"url": "http://hl7.org/fhir/StructureDefinition/condition-assertedDate", "valueDateTime": "2025-01-02"}
    visit = {"encounter": {"reference": "Encounter/e1"}}
    record = read(
        encounter(), condition(id="a", extension=[asserted], **visit), condition(id="b", recordedDate="2025-01-01", **visit)
    )
    assert [found.recorded and found.recorded.text for found in record.conditions] == ["2025-01-02", "2025-01-01"]


def test_reasons_and_diagnoses_of_an_encounter_count_once(read: Read) -> None:
    visit = encounter(
        reasonCode=[{"text": "Flare"}],
        diagnosis=[
            {"condition": {"reference": "Condition/c1"}},
            {"condition": {"reference": "#inside"}},
            {"condition": {"reference": "Condition/gone", "display": "Nephritis"}},
            {"condition": {"display": "Rash"}, "modifierExtension": [{"url": "x"}]},
        ],
        contained=[{"resourceType": "Condition", "id": "inside", "code": {"text": "Arthritis"}}],
    )
    record = read(condition(), visit)
    told = [(found.code.text, found.from_encounter, found.origin.reference) for found in record.conditions]
    assert told == [
        ("Flare", True, "Encounter/e1"),
        ("Arthritis", True, "Encounter/e1"),
        ("Nephritis", True, "Encounter/e1"),
        ("Systemic lupus erythematosus", False, "Condition/c1"),
    ]
    assert sorted(codes(record)) == ["modifier-extension", "reference-not-resolved"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"verificationStatus": coded("refuted")}, [("refuted", None)]),
        ({"verificationStatus": coded("entered-in-error")}, []),
        ({"verificationStatus": coded("maybe")}, [(None, "status-not-understood")]),
        ({"modifierExtension": [{"url": "x"}]}, [(None, "modifier-extension")]),
        ({"resourceType": "Procedure"}, []),
        ({"id": "another"}, []),
    ],
)
def test_a_diagnosis_contained_in_an_encounter_keeps_its_verification_data_50(read: Read, change: Any, told: Any) -> None:
    inside = {"resourceType": "Condition", "id": "inside", "code": LUPUS, **change}
    record = read(encounter(diagnosis=[{"condition": {"reference": "#inside"}}], contained=[inside]))
    assert [(found.verification, found.unusable) for found in record.conditions] == told
    assert bool(record.issues) is (told != [("refuted", None)])


@pytest.mark.parametrize(
    ("status", "count"), [("finished", 1), ("in-progress", 1), (None, 1), ("planned", 0), ("cancelled", 0), ("unknown", 0)]
)
def test_only_an_encounter_that_took_place_gives_a_reason(read: Read, status: str | None, count: int) -> None:
    record = read(encounter(status=status, reasonCode=[LUPUS]))
    assert (len(record.conditions), len(record.encounters)) == (count, 1)


# medications


def request(**more: Any) -> Json:
    return {
        "resourceType": "MedicationRequest",
        "id": "m1",
        "status": "active",
        "intent": "order",
        "authoredOn": "2026-01-10",
        "medicationCodeableConcept": {"text": "Prednisone 5 mg tablet"},
        **ABOUT,
        **more,
    }


DRUG = {
    "resourceType": "Medication",
    "id": "d",
    "code": {"coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "1"}]},
    "form": {"text": "tablet"},
    "ingredient": [{"itemCodeableConcept": {"text": "prednisone"}}, {"itemReference": {"reference": "#s", "display": "lactose"}}],
}


@pytest.mark.parametrize(
    ("told", "contained", "by_reference"),
    [
        ({"reference": "#d"}, [DRUG], {}),
        ({"reference": "urn:uuid:1"}, [], {"urn:uuid:1": DRUG}),
        ({"reference": "Medication/d"}, [], {"Medication/d": DRUG}),
        ({"reference": "https://ehr.example.invalid/fhir/Medication/d/_history/2"}, [], {"Medication/d": DRUG}),
    ],
)
def test_a_medication_by_reference_is_followed_in_every_form_data_32(
    read: Read, told: Any, contained: Any, by_reference: Any
) -> None:
    told = {**told, "display": "Prednisone"}
    record = read(
        request(medicationCodeableConcept=None, medicationReference=told, contained=contained), by_reference=by_reference
    )
    (use,) = record.medications
    assert use.medication.resolved
    assert use.medication.code.codings == (Coding("http://www.nlm.nih.gov/research/umls/rxnorm", "1"),)
    assert [one.text for one in use.medication.ingredients] == ["prednisone", "lactose"]
    assert use.medication.code.text == "Prednisone"
    assert use.medication.form is not None


@pytest.mark.parametrize(
    ("change", "by_reference", "issue"),
    [
        ({"medicationReference": {"display": "Mystery"}}, {}, "reference-not-resolved"),
        ({"medicationReference": {"reference": "Medication/gone", "display": "Mystery"}}, {}, "reference-not-resolved"),
        (
            {"medicationReference": {"reference": "Medication/d", "display": "Mystery"}},
            {**DRUG, "status": "entered-in-error"},
            "medication-unusable",
        ),
        (
            {"medicationReference": {"reference": "Medication/d", "display": "Mystery"}},
            {**DRUG, "modifierExtension": [{}]},
            "modifier-extension",
        ),
        (
            {"medicationReference": {"reference": "Medication/d", "display": "Mystery"}},
            {"resourceType": "Device"},
            "medication-unusable",
        ),
        ({}, {}, "code-missing"),
    ],
)
def test_a_display_alone_stays_unresolved_r38_data_33(read: Read, change: Any, by_reference: Any, issue: str) -> None:
    known = {"Medication/d": by_reference} if by_reference else {}
    record = read(request(medicationCodeableConcept=None, **change), by_reference=known)
    (use,) = record.medications
    assert not use.medication.resolved
    assert use.medication.code.text == ("Mystery" if change else None)
    assert codes(record)[0] == issue


def test_a_medication_with_an_unknown_modifier_is_unresolved_r12(read: Read) -> None:
    (use,) = read(request(modifierExtension=[{"url": "x"}])).medications
    assert (use.unusable, use.medication.resolved, use.medication.code.codings) == ("modifier-extension", False, ())
    assert use.medication.code.text == "Prednisone 5 mg tablet"


@pytest.mark.parametrize("status", ["active", "on-hold", "cancelled", "completed", "stopped", "draft", "unknown"])
def test_every_status_of_a_medication_is_kept_but_entered_in_error_data_34(read: Read, status: str) -> None:
    assert read(request(status=status)).medications[0].unusable is None
    assert not read(request(status="entered-in-error")).medications


@pytest.mark.parametrize(
    ("raw", "told", "unusable"), [(True, True, None), (False, False, None), ("yes", False, "do-not-perform-not-understood")]
)
def test_do_not_perform_data_34(read: Read, raw: Any, told: bool, unusable: str | None) -> None:
    (use,) = read(request(doNotPerform=raw)).medications
    assert (use.do_not_perform, use.unusable) == (told, unusable)


MG = {"value": 5, "unit": "mg"}


def test_a_dosage_with_everything(read: Read) -> None:
    timing = {
        "code": {"coding": [{"code": "bid"}]},
        "event": ["2026-01-01"],
        "repeat": {
            "boundsPeriod": {"start": "2026-01-10", "end": "2027-01"},
            "frequency": 2,
            "frequencyMax": 3,
            "period": Decimal("1.5"),
            "periodUnit": "d",
            "when": ["AC"],
            "dayOfWeek": ["mon", "tue"],
            "timeOfDay": ["08:00:00"],
        },
    }
    dosage = {
        "sequence": 1,
        "text": "1 tablet",
        "additionalInstruction": [{"text": "taper"}],
        "patientInstruction": "with food",
        "asNeededBoolean": False,
        "route": {"text": "oral"},
        "timing": timing,
        "maxDosePerPeriod": {"numerator": {"value": "4"}},
        "doseAndRate": [
            {"type": {"coding": [{"code": "calculated"}]}, "doseQuantity": {"value": 9, "unit": "mg"}},
            {
                "type": {"coding": [{"code": "ordered"}]},
                "doseRange": {"low": MG, "high": {"value": 10, "unit": "mg"}},
                "rateQuantity": MG,
            },
        ],
    }
    record = read(request(dosageInstruction=[dosage]))
    (found,) = record.medications[0].dosages
    assert not record.issues
    assert (found.text, found.as_needed, found.sequence, found.rate) == ("1 tablet; taper; with food", False, 1, "5 mg")
    assert isinstance(found.dose, QuantityRange)
    assert found.timing is not None
    assert (found.timing.frequency, found.timing.frequency_max, found.timing.period, found.timing.period_unit) == (
        Decimal(2),
        Decimal(3),
        Decimal("1.5"),
        "d",
    )
    assert (found.timing.when, found.timing.days_of_week, found.timing.times_of_day, found.timing.events) == (1, 2, 1, 1)
    assert found.timing.code == "BID"
    assert found.timing.bounds_end is not None


@pytest.mark.parametrize(
    "repeat", [{"frequency": "2"}, {"period": []}, {"periodUnit": 1}, {"boundsPeriod": {"end": "soon"}}, {"when": "AC"}, "daily"]
)
def test_an_unreadable_schedule_is_none_rather_than_half_of_one(read: Read, repeat: Any) -> None:
    record = read(request(dosageInstruction=[{"timing": {"repeat": repeat}, "doseAndRate": [{"doseQuantity": MG}]}]))
    assert record.medications[0].dosages[0].timing is None
    assert record.issues


@pytest.mark.parametrize(
    ("dosage", "as_needed"),
    [
        ({}, False),
        ({"asNeededBoolean": False}, False),
        ({"asNeededBoolean": True}, True),
        ({"asNeededBoolean": "no"}, True),
        ({"asNeededCodeableConcept": {"text": "pain"}}, True),
    ],
)
def test_as_needed(read: Read, dosage: Any, as_needed: bool) -> None:
    assert read(request(dosageInstruction=[dosage])).medications[0].dosages[0].as_needed is as_needed


def test_a_dosage_with_an_unknown_modifier_keeps_its_text_alone_data_22(read: Read) -> None:
    dosage = {"text": "x", "modifierExtension": [{"url": "x"}], "doseAndRate": [{"doseQuantity": MG}]}
    (found,) = read(request(dosageInstruction=[dosage])).medications[0].dosages
    assert (found.text, found.dose) == ("x", None)


def test_supply_validity_and_kin_of_a_request(read: Read) -> None:
    (use,) = read(
        request(
            identifier=[{"system": "s", "value": "1"}, {"value": 2}],
            basedOn=[{"reference": "MedicationRequest/z/_history/1", "identifier": {"system": "s", "value": "0"}}],
            priorPrescription={"reference": "MedicationRequest/y"},
            reportedBoolean=True,
            statusReason={"text": "ineffective"},
            category=[{"coding": [{"code": "outpatient"}]}],
            dispenseRequest={
                "validityPeriod": {"end": "2026-12-31"},
                "numberOfRepeatsAllowed": 2,
                "expectedSupplyDuration": {"value": 30, "unit": "days"},
                "quantity": {"value": 60},
            },
        )
    ).medications
    assert (use.supply_days, use.quantity, use.reported, use.prior) == (
        Decimal(90),
        Quantity(Decimal(60), None, None, False, "60"),
        True,
        "MedicationRequest/y",
    )
    assert use.validity_end is not None
    assert (use.identifiers, use.based_on, use.categories) == (
        frozenset({"s|1", "s|0"}),
        ("MedicationRequest/z",),
        frozenset({"outpatient"}),
    )
    assert [reason.text for reason in use.status_reason] == ["ineffective"]


@pytest.mark.parametrize(
    ("kind", "more", "authored", "start", "end"),
    [
        ("MedicationDispense", {"whenHandedOver": "2026-01-02", "whenPrepared": "2026-01-01"}, "2026-01-02", None, None),
        ("MedicationDispense", {"whenPrepared": "2026-01-01"}, "2026-01-01", None, None),
        (
            "MedicationStatement",
            {"dateAsserted": "2026-01-03", "effectivePeriod": {"start": "2025", "end": "2026"}},
            "2026-01-03",
            "2025",
            "2026",
        ),
        ("MedicationAdministration", {"effectiveDateTime": "2026-01-04"}, None, "2026-01-04", None),
    ],
)
def test_each_type_has_its_own_dates_data_31(
    read: Read, kind: str, more: Any, authored: str | None, start: str | None, end: str | None
) -> None:
    resource = {
        "resourceType": kind,
        "id": "m",
        "status": "completed",
        "medicationCodeableConcept": {"text": "x"},
        **ABOUT,
        **more,
    }
    (use,) = read(resource).medications
    assert [span and span.text for span in (use.authored, use.start, use.end)] == [authored, start, end]


def test_details_of_dispense_administration_and_statement(read: Read) -> None:
    base = {"status": "completed", "medicationCodeableConcept": {"text": "x"}, **ABOUT}
    dispense = {
        "resourceType": "MedicationDispense",
        "id": "1",
        "daysSupply": {"value": 4, "unit": "wk"},
        "statusReasonCodeableConcept": {"text": "no stock"},
        "authorizingPrescription": [{"reference": "MedicationRequest/m1"}],
        **base,
    }
    given = {
        "resourceType": "MedicationAdministration",
        "id": "2",
        "dosage": {"dose": MG, "route": {"text": "IV"}},
        "request": {"reference": "MedicationRequest/m1"},
        **base,
    }
    told = {
        "resourceType": "MedicationStatement",
        "id": "3",
        "informationSource": {"reference": "Patient/p1"},
        "category": {"text": "home"},
        **base,
    }
    administered, supplied, stated = read(dispense, given, told).medications
    assert (supplied.supply_days, supplied.based_on, supplied.status_reason[0].text) == (
        Decimal(28),
        ("MedicationRequest/m1",),
        "no stock",
    )
    assert administered.dosages[0].dose == Quantity(Decimal(5), None, "mg", False, "5 mg")
    assert administered.based_on == ("MedicationRequest/m1",)
    assert (stated.reported, stated.categories) == (True, frozenset({"home"}))


IPS = "http://hl7.org/fhir/uv/ips/CodeSystem/absent-unknown-uv-ips"


@pytest.mark.parametrize(
    ("code", "absences", "uses"),
    [
        ({"coding": [{"system": IPS, "code": "no-known-medications"}]}, 1, 0),
        ({"coding": [{"system": IPS, "code": "no-medication-info"}]}, 0, 0),
        ({"text": "No known medications."}, 1, 0),
        ({"text": "no known drug"}, 0, 1),
        ({}, 0, 1),
    ],
)
def test_no_known_medications_is_a_statement_and_no_drug_data_38_r12(read: Read, code: Any, absences: int, uses: int) -> None:
    record = read(request(medicationCodeableConcept=code))
    assert (len(record.absences), len(record.medications)) == (absences, uses)
    assert uses or absences or codes(record) == ["nothing-known"]


def test_no_known_problems_is_a_statement_and_no_condition_data_56(read: Read) -> None:
    record = read(condition(code={"coding": [{"system": IPS, "code": "no-known-problems"}]}, recordedDate="2026-01-01"))
    assert [(one.about, one.dated and one.dated.text) for one in record.absences] == [("condition", "2026-01-01")]
    assert not record.conditions
    assert (
        codes(read(condition(code={"coding": [{"system": IPS, "code": "no-known-problems"}]}, modifierExtension=[{}])))[-1]
        == "absence-not-used"
    )


# procedures and reports


@pytest.mark.parametrize(
    ("status", "kept", "unusable"), [("completed", 1, None), ("not-done", 0, None), ("unknown", 1, "status-unknown")]
)
def test_procedures(read: Read, status: str, kept: int, unusable: str | None) -> None:
    resource = {
        "resourceType": "Procedure",
        "id": "p",
        "status": status,
        "code": {"text": "Hysterectomy"},
        "performedDateTime": "2020-05",
        **ABOUT,
    }
    record = read(resource)
    assert [(one.unusable, one.performed and one.performed.text) for one in record.procedures] == [(unusable, "2020-05")] * kept
    assert (
        read({**resource, "status": "completed", "performedDateTime": None, "performedPeriod": {"start": "2019"}})
        .procedures[0]
        .performed
    )


def said(text: str, kind: str = "text/plain", encoding: str = "utf-8") -> Json:
    return {"contentType": kind, "data": b64encode(text.encode(encoding)).decode()}


def document(*attachments: Json, **more: Any) -> Json:
    content = [{"attachment": one} for one in attachments]
    return {
        "resourceType": "DocumentReference",
        "id": "d",
        "status": "current",
        "type": {"text": "Letter"},
        "content": content,
        **ABOUT,
        **more,
    }


@pytest.mark.parametrize(
    ("attachment", "text", "unread", "issue"),
    [
        (said("Normal ECG"), "Normal ECG", False, None),
        (said("正常", "text/plain; charset=GB18030", "gb18030"), "正常", False, None),
        (said("x", "text/plain; charset=klingon"), "x", False, None),
        (
            said(
                "<html><head><title>t</title><style>p{}</style></head><p>Normal&nbsp;ECG</p><script>evil()</script><br>end</html>",
                "text/html",
            ),
            "Normal ECG end",
            False,
            None,
        ),
        ({"contentType": "application/pdf", "data": "AAAA"}, "", True, None),
        ({"contentType": "text/plain", "url": "https://ehr.example.invalid/x"}, "", True, None),
        ({"contentType": "text/plain", "url": "Binary/b"}, "from a Binary", False, None),
        ({"contentType": "text/plain", "data": "A"}, "", True, "attachment-not-decoded"),
        ({"contentType": "text/plain", "data": 5}, "", True, "wrong-type"),
        ({**said("x"), "title": "Consent form BRASLE"}, "Consent form BRASLE\nx", False, None),
    ],
)
def test_the_words_of_a_document(read: Read, attachment: Json, text: str, unread: bool, issue: str | None) -> None:
    binary = {"resourceType": "Binary", "id": "b", "contentType": "text/plain", "data": b64encode(b"from a Binary").decode()}
    record = read(document(attachment, text={"div": "<div>never read</div>"}), binary)
    (found,) = record.reports
    assert (found.text, found.unread) == (text, unread)
    assert codes(record) == ([issue] if issue else [])


def test_a_very_long_text_is_cut_and_says_so(read: Read) -> None:
    record = read(document(said("x" * (3 * LARGEST_ATTACHMENT))))
    assert len(record.reports[0].text) == LARGEST_ATTACHMENT
    assert record.reports[0].unread
    assert codes(record) == ["text-cut"]


@pytest.mark.parametrize(
    ("change", "kept", "unusable"),
    [
        ({}, 1, None),
        ({"docStatus": "preliminary"}, 1, "status-preliminary"),
        ({"docStatus": "entered-in-error"}, 0, None),
        ({"status": "superseded"}, 0, None),
        ({"status": "entered-in-error"}, 0, None),
    ],
)
def test_versions_of_a_document(read: Read, change: Any, kept: int, unusable: str | None) -> None:
    record = read(document(said("x"), **change))
    assert [one.unusable for one in record.reports] == [unusable] * kept
    assert bool(record.issues) is not kept


def test_a_document_is_dated_by_what_it_speaks_of(read: Read) -> None:
    one = read(document(said("x"), date="2026-02-01T10:00:00Z", context={"period": {"start": "2026-01-01"}})).reports[0]
    other = read(document(said("x"), date="2026-02-01T10:00:00Z")).reports[0]
    assert one.effective is not None
    assert other.effective is not None
    assert (one.effective.text, other.effective.text) == ("2026-01-01", "2026-02-01T10:00:00Z")
    assert one.issued is not None


def test_a_report_has_conclusions_and_contained_results(read: Read) -> None:
    result = {"resourceType": "Observation", "id": "r", "code": {"text": "LVEF"}, "valueString": "55-60 %"}
    report = {
        "resourceType": "DiagnosticReport",
        "id": "d",
        "status": "final",
        "code": {"text": "Chest CT"},
        "category": [{"text": "Radiology"}],
        "effectivePeriod": {"start": "2026-02-01"},
        "issued": "2026-02-03T00:00:00Z",
        "conclusion": "No abnormality.",
        "conclusionCode": [{"coding": [{"code": "1", "display": "Normal chest"}]}],
        "presentedForm": [{"contentType": "application/pdf", "url": "x"}],
        "result": [{"reference": "#r"}],
        "contained": [result],
        **ABOUT,
    }
    record = read(report)
    (found,), (inside,) = record.reports, record.observations
    assert (found.text, found.unread, found.kind) == ("No abnormality.\nNormal chest", True, "DiagnosticReport")
    assert (inside.origin.reference, inside.value, inside.status) == ("DiagnosticReport/d", "55-60 %", "final")
    assert inside.effective is not None
    assert inside.effective.text == "2026-02-01"
    preliminary = read({**report, "status": "preliminary"})
    assert (preliminary.reports[0].unusable, preliminary.observations[0].unusable) == ("status-preliminary", "status-preliminary")


# consents


def consent(**more: Any) -> Json:
    return {
        "resourceType": "Consent",
        "id": "k",
        "status": "active",
        "scope": coded("research"),
        "patient": {"reference": "Patient/p1"},
        **more,
    }


MOTHER = {"resourceType": "RelatedPerson", "id": "m", "relationship": [{"coding": [{"code": "MTH"}]}]}


def test_a_consent_names_its_study_its_givers_and_its_decision_c9(read: Read) -> None:
    study = {"resourceType": "ResearchStudy", "id": "s", "identifier": [{"value": "NCT06789107"}], "title": "BRASLE"}
    record = read(
        consent(
            dateTime="2026-02-01",
            performer=[{"reference": "Patient/p1"}, {"reference": "#m"}, {"reference": "Patient/p2", "display": "A Brother"}],
            contained=[MOTHER],
            policy=[{"uri": "https://policy"}],
            verification=[{"verified": True, "verifiedWith": {"reference": "RelatedPerson/x"}}],
            provision={
                "type": "permit",
                "period": {"end": "2027-01-01"},
                "data": [{"meaning": "instance", "reference": {"reference": "ResearchStudy/s"}}],
                "code": [{"text": "gene therapy"}],
                "actor": [{"role": {"coding": [{"code": "GUARD"}]}, "reference": {"display": "Aunt"}}],
            },
        ),
        study,
    )
    (found,) = record.consents
    assert (found.scope, found.decision, found.verified) == ("research", "permit", True)
    assert {"ResearchStudy/s", "NCT06789107", "BRASLE", "https://policy", "gene therapy"} <= set(found.studies)
    assert {"patient", "mother", "another patient", "a brother", "guardian", "aunt", "relatedperson"} <= set(found.performers)
    assert found.period_end is not None
    assert not record.issues


@pytest.mark.parametrize(
    ("nested", "unusable"),
    [
        ([{"type": "permit"}], None),
        ([{}], None),
        ([{"type": "deny"}], "provisions-mixed"),
        ([{"modifierExtension": [{}]}], "modifier-extension"),
    ],
)
def test_provisions_that_say_two_things_say_nothing(read: Read, nested: Any, unusable: str | None) -> None:
    (found,) = read(consent(provision={"type": "permit", "provision": nested})).consents
    assert found.unusable == unusable


def test_a_consent_of_somebody_else_is_dropped_r33(read: Read) -> None:
    record = read(consent(patient={"reference": "Patient/p2"}), patients=(patient(),))
    assert not record.consents
    assert codes(record) == ["other-patient"]


@pytest.mark.parametrize("told", [{"reference": "Medication/d", "display": "Mystery"}])
def test_a_medication_without_code_and_ingredients_is_unresolved(read: Read, told: Any) -> None:
    empty = {"Medication/d": {"resourceType": "Medication", "id": "d"}}
    (use,) = read(request(medicationCodeableConcept=None, medicationReference=told), by_reference=empty).medications
    assert (use.medication.resolved, use.medication.code.text) == (False, "Mystery")


def test_an_unknown_modifier_in_the_dispense_request_is_one_of_the_order_r12(read: Read) -> None:
    (use,) = read(request(dispenseRequest={"modifierExtension": [{"url": "x"}]})).medications
    assert (use.unusable, use.medication.resolved) == ("modifier-extension", False)


def test_words_that_are_no_html_are_named_and_not_read(read: Read) -> None:
    record = read(document(said("<![xyz[ a ]]>", "text/html")))
    assert record.reports[0].text == ""
    assert codes(record) == ["attachment-not-decoded"]


def test_the_identifier_of_a_consent_may_be_its_studys(read: Read) -> None:
    (found,) = read(consent(identifier=[{"value": "NCT06789107-consent"}])).consents
    assert "NCT06789107-consent" in found.studies


def test_an_extension_of_another_kind_dates_no_condition(read: Read) -> None:
    (found,) = read(condition(extension=[{"url": "x", "valueDateTime": "2025"}])).conditions
    assert found.recorded is None
