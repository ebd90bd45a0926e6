"""Whatever a resource is mutated into: nothing raises, and what is dropped is named."""

from __future__ import annotations

from base64 import b64encode
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhir_trial.records.model import PatientRecord
from fhir_trial.records.reading import read_record
from fhir_trial.screening.ports import RawPatient
from tests.unit.records.conftest import SHANGHAI, patient

ABOUT = {"subject": {"reference": "Patient/p1"}}
CODE = {"coding": [{"system": "http://loinc.org", "code": "777-3", "display": "Platelets"}], "text": "Platelets"}
QUANTITY = {"value": 1, "comparator": "<", "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}
PERIOD = {"start": "2026-01-01", "end": "2026-02"}
META = {"versionId": "1", "lastUpdated": "2026-03-01T00:00:00Z", "tag": [{"code": "x"}], "security": [{"code": "R"}]}
DOSAGE = {
    "text": "1 daily",
    "sequence": 1,
    "asNeededBoolean": False,
    "additionalInstruction": [{"text": "with food"}],
    "route": CODE,
    "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d", "boundsPeriod": PERIOD, "when": ["AC"]}, "code": CODE},
    "doseAndRate": [
        {"type": CODE, "doseQuantity": QUANTITY},
        {"doseRange": {"low": QUANTITY}, "rateRatio": {"numerator": QUANTITY}},
    ],
}
MEDICATION = {
    "resourceType": "Medication",
    "id": "med",
    "code": CODE,
    "form": CODE,
    "ingredient": [{"itemCodeableConcept": CODE}, {"itemReference": {"reference": "#sub"}}],
}
ATTACHMENT = {"contentType": "text/html; charset=utf-8", "data": b64encode(b"<p>Normal</p>").decode(), "title": "t"}
GOOD: list[dict[str, Any]] = [
    {
        "resourceType": "Observation",
        "id": "o",
        "meta": META,
        "status": "final",
        "category": [CODE],
        "code": CODE,
        **ABOUT,
        "effectivePeriod": PERIOD,
        "issued": "2026-01-01T00:00:00Z",
        "valueQuantity": QUANTITY,
        "interpretation": [CODE],
        "note": [{"text": "n"}],
        "method": CODE,
        "specimen": {"reference": "#s"},
        "referenceRange": [
            {"low": QUANTITY, "high": QUANTITY, "type": CODE, "appliesTo": [CODE], "age": {"low": QUANTITY}, "text": "x"}
        ],
        "component": [{"code": CODE, "valueRatio": {"numerator": QUANTITY, "denominator": QUANTITY}, "interpretation": [CODE]}],
        "hasMember": [{"reference": "#m"}, {"reference": "Observation/other"}],
        "performer": [{"reference": "Practitioner/x"}],
        "contained": [
            {"resourceType": "Observation", "id": "m", "code": CODE, "valueString": "x", "hasMember": [{"reference": "#m"}]},
            {"resourceType": "Specimen", "id": "s", "type": CODE, "collection": {"collectedPeriod": PERIOD}},
        ],
    },
    {
        "resourceType": "Condition",
        "id": "c",
        "clinicalStatus": {"coding": [{"code": "active"}]},
        "verificationStatus": {"coding": [{"code": "confirmed"}]},
        "category": [CODE],
        "code": CODE,
        **ABOUT,
        "encounter": {"reference": "Encounter/e"},
        "onsetAge": {"value": 10, "unit": "a"},
        "abatementPeriod": PERIOD,
        "recordedDate": "2025",
        "recorder": {"reference": "PractitionerRole/r", "display": "x"},
        "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/condition-assertedDate", "valueDateTime": "2025-01-01"}],
    },
    {
        "resourceType": "Encounter",
        "id": "e",
        "status": "finished",
        "type": [CODE],
        "serviceType": CODE,
        **ABOUT,
        "period": PERIOD,
        "participant": [{"individual": {"reference": "PractitionerRole/r"}}],
        "reasonCode": [CODE],
        "reasonReference": [{"reference": "Condition/nowhere", "display": "x"}],
        "diagnosis": [{"condition": {"reference": "Condition/c"}}, {"condition": {"reference": "#x"}}],
        "contained": [{"resourceType": "Condition", "id": "x", "code": CODE}],
        "serviceProvider": {"display": "Rheumatology"},
    },
    *(
        {
            "resourceType": kind,
            "id": "m",
            "identifier": [{"system": "s", "value": "v"}],
            "status": "completed",
            "intent": "order",
            "category": [CODE],
            "medicationReference": {"reference": "#med", "display": "x"},
            "contained": [MEDICATION, {"resourceType": "Substance", "id": "sub", "code": CODE}],
            **ABOUT,
            "authoredOn": "2026-01-01",
            "effectivePeriod": PERIOD,
            "whenHandedOver": "2026-01-01",
            "statusReason": CODE,
            "reasonCode": [CODE],
            "basedOn": [{"reference": "MedicationRequest/z", "identifier": {"value": "v"}}],
            "request": {"reference": "MedicationRequest/z"},
            "priorPrescription": {"reference": "MedicationRequest/z"},
            "daysSupply": {"value": 30, "unit": "d"},
            "dispenseRequest": {
                "validityPeriod": PERIOD,
                "numberOfRepeatsAllowed": 2,
                "expectedSupplyDuration": {"value": 30, "code": "d"},
            },
            "note": [{"text": "n"}],
            "dosageInstruction": [DOSAGE],
            "dosage": [DOSAGE],
        }
        for kind in ("MedicationRequest", "MedicationStatement", "MedicationDispense", "MedicationAdministration")
    ),
    {
        "resourceType": "Procedure",
        "id": "p",
        "status": "completed",
        "code": CODE,
        **ABOUT,
        "performedPeriod": PERIOD,
        "note": [{"text": "x"}],
    },
    {
        "resourceType": "DiagnosticReport",
        "id": "d",
        "status": "final",
        "category": [CODE],
        "code": CODE,
        **ABOUT,
        "effectiveDateTime": "2026-01",
        "issued": "2026-01-01T00:00:00Z",
        "conclusion": "Normal",
        "conclusionCode": [CODE],
        "presentedForm": [ATTACHMENT],
        "result": [{"reference": "#r"}],
        "contained": [{"resourceType": "Observation", "id": "r", "code": CODE, "valueInteger": 1, **ABOUT}],
    },
    {
        "resourceType": "DocumentReference",
        "id": "dr",
        "status": "current",
        "docStatus": "final",
        "type": CODE,
        **ABOUT,
        "date": "2026-01-01T00:00:00Z",
        "description": "x",
        "content": [{"attachment": ATTACHMENT}, {"attachment": {"contentType": "text/plain", "url": "Binary/b"}}],
        "context": {"period": PERIOD},
    },
    {
        "resourceType": "Consent",
        "id": "k",
        "status": "active",
        "scope": CODE,
        "category": [CODE],
        "patient": {"reference": "Patient/p1"},
        "dateTime": "2026",
        "performer": [{"reference": "Patient/p1"}, {"reference": "#rp"}],
        "contained": [{"resourceType": "RelatedPerson", "id": "rp", "relationship": [CODE]}],
        "sourceReference": {"reference": "ResearchStudy/s"},
        "policy": [{"uri": "u"}],
        "verification": [{"verified": True, "verifiedWith": {"display": "x"}}],
        "provision": {
            "type": "permit",
            "period": PERIOD,
            "code": [CODE],
            "actor": [{"role": CODE, "reference": {"display": "x"}}],
            "data": [{"reference": {"reference": "ResearchStudy/s"}}],
            "provision": [{"type": "permit"}],
        },
    },
    {
        "resourceType": "ResearchSubject",
        "id": "rs",
        "identifier": [{"system": "s", "value": "v"}],
        "status": "on-study",
        "individual": {"reference": "Patient/p1"},
        "study": {"reference": "ResearchStudy/s", "identifier": {"value": "NCT"}},
        "consent": {"reference": "Consent/k"},
        "period": PERIOD,
    },
    {
        "resourceType": "QuestionnaireResponse",
        "id": "qr",
        "status": "completed",
        "questionnaire": "#q",
        **ABOUT,
        "authored": "2026-01-01",
        "author": {"reference": "Practitioner/x"},
        "contained": [
            {"resourceType": "Questionnaire", "id": "q", "item": [{"linkId": "1", "text": "x", "code": [{"code": "y"}]}]}
        ],
        "item": [
            {
                "linkId": "1",
                "answer": [{"valueDecimal": 1, "item": [{"linkId": "2", "answer": [{"valueCoding": {"code": "z"}}]}]}],
            }
        ],
    },
    {
        "resourceType": "List",
        "id": "l",
        "status": "current",
        "mode": "working",
        **ABOUT,
        "title": "Medication",
        "date": "2026",
        "code": CODE,
        "emptyReason": {"coding": [{"code": "nilknown"}]},
    },
    {
        "resourceType": "Composition",
        "id": "cp",
        "status": "final",
        **ABOUT,
        "date": "2026",
        "section": [{"title": "Medication", "emptyReason": {"coding": [{"code": "nilknown"}]}, "section": [{"code": CODE}]}],
    },
    {
        "resourceType": "OperationOutcome",
        "issue": [
            {
                "severity": "error",
                "code": "security",
                "diagnostics": "Observation",
                "expression": ["x"],
                "details": {"coding": [{"code": "4134"}], "text": "x"},
            }
        ],
    },
]

MATTER_ONLY_FOR_WHAT_THEY_HOLD = {"Composition", "List", "QuestionnaireResponse", "Patient", "Medication"}
JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.decimals()
    | st.text(max_size=8)
    | st.sampled_from(
        [
            "",
            "#",
            "#m",
            "Patient/p1",
            "http://",
            "urn:uuid:",
            "9999-12-31",
            "0001-01-01T00:00:00+14:00",
            "entered-in-error",
            "1E5",
        ]
    )
    | st.sampled_from([Decimal("1E+999999"), Decimal("-1E-999999"), Decimal(10) ** 59]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["coding", "code", "value", "text", "reference", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [place for key, inner in pairs for place in [(*path, key), *places(inner, (*path, key))]]


def fresh(node: Any) -> Any:
    """A copy in which nothing is shared, as in JSON."""
    if isinstance(node, dict):
        return {key: fresh(inner) for key, inner in node.items()}
    return [fresh(inner) for inner in node] if isinstance(node, list) else node


@st.composite
def mutated(draw: st.DrawFn, good: dict[str, Any]) -> dict[str, Any]:
    resource: dict[str, Any] = fresh(good)
    for _ in range(draw(st.integers(1, 4))):
        if not resource:
            break
        *way, last = draw(st.sampled_from(places(resource)))
        node: Any = resource
        for key in way:
            node = node[key]
        match draw(st.sampled_from(["replace", "delete", "wrap", "modifier"])):
            case "replace":
                node[last] = draw(JUNK)
            case "delete":
                del node[last]
            case "wrap":
                node[last] = [node[last]]
            case _:
                if isinstance(node, dict):
                    node["modifierExtension"] = [{"url": "http://example.org/not"}]
    return resource


def traces(record: PatientRecord) -> int:
    kept = (
        record.observations,
        record.conditions,
        record.medications,
        record.procedures,
        record.reports,
        record.consents,
        record.subjects,
    )
    return sum(len(each) for each in (*kept, record.encounters, record.answers, record.absences))


@settings(deadline=None, max_examples=600, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.sampled_from(GOOD).flatmap(mutated))
def test_a_mutated_resource_never_raises_and_is_never_dropped_in_silence(resource: dict[str, Any]) -> None:
    record = read_record(RawPatient("Patient/p1", [patient()], [resource]), SHANGHAI)

    if str(resource.get("resourceType")) not in MATTER_ONLY_FOR_WHAT_THEY_HOLD:
        assert traces(record) or record.issues


@settings(deadline=None, max_examples=150)
@given(
    mutated(
        patient(
            id="p1",
            meta=META,
            active=True,
            deceasedDateTime="2026-01-01",
            link=[{"type": "replaced-by", "other": {"reference": "x"}}],
            extension=[{"url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex", "valueCode": "F"}],
        )
    )
)
def test_a_mutated_patient_never_raises(resource: dict[str, Any]) -> None:
    record = read_record(RawPatient("Patient/p1", [patient(), resource], []), SHANGHAI)
    assert record.patient.origin.reference == "Patient/p1"


@settings(deadline=None, max_examples=150)
@given(JUNK, st.sampled_from([good["resourceType"] for good in GOOD]))
def test_junk_in_place_of_every_element_never_raises(junk: Any, kind: str) -> None:
    good = next(each for each in GOOD if each["resourceType"] == kind)
    read_record(RawPatient("Patient/p1", [patient()], [dict.fromkeys(good, junk) | {"resourceType": kind}]), SHANGHAI)
    read_record(
        RawPatient("Patient/p1", [patient()], [dict.fromkeys(good, junk) | {"resourceType": kind, "status": "final", **ABOUT}]),
        SHANGHAI,
    )


def test_the_unmutated_resources_are_all_read() -> None:
    record = read_record(RawPatient("Patient/p1", [patient()], GOOD[:-1]), SHANGHAI)
    problems = [issue for issue in record.issues if issue.severity != "information"]
    assert [
        (issue.code, issue.reference) for issue in problems if issue.code not in ("member-not-on-file", "reference-not-resolved")
    ] == []
    assert (
        min(len(record.conditions), len(record.medications), len(record.reports), len(record.consents), len(record.subjects)) >= 1
    )
    assert (len(record.medications), len(record.answers), len(record.absences)) == (4, 2, 2)
