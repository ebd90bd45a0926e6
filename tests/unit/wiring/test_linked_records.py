"""Other records of the same person."""

from typing import Any

import pytest

from fhir_trial.records.model import LoadState
from fhir_trial.screening.ports import RawPatient
from fhir_trial.wiring.linked_records import linked_records

BASE = "https://ehr.example.invalid/fhir"


def raw(link: Any) -> RawPatient:
    patient = {"resourceType": "Patient", "id": "p1", "link": link}
    return RawPatient(
        reference="Patient/p1",
        patients=(patient,),
        resources=(),
        by_reference={},
        names={},
        states={},
        default_state=LoadState.NOT_ASKED,
    )


def to(reference: object, kind: str = "replaces") -> dict[str, Any]:
    return {"other": {"reference": reference}, "type": kind}


@pytest.mark.parametrize("kind", ["replaces", "replaced-by", "refer", "seealso"])
def test_every_type_of_link_leads_to_the_same_person(kind: str) -> None:
    """SEC-36; FHIR R4 Patient.link."""
    assert list(linked_records(raw([to("Patient/p2", kind)]), (BASE,))) == ["Patient/p2"]


@pytest.mark.parametrize("reference", [f"{BASE}/Patient/p2", "Patient/p2/_history/3", " Patient/p2 "])
def test_a_link_is_found_however_it_is_written(reference: str) -> None:
    assert list(linked_records(raw([to(reference)]), (BASE,))) == ["Patient/p2"]


@pytest.mark.parametrize(
    "link",
    [
        [to("https://other.example.invalid/fhir/Patient/p2")],
        [to("RelatedPerson/r1")],
        [to("Patient/p1")],
        [to("#p2"), to(None), to(7), {"other": "Patient/p2"}, {"type": "replaces"}, "Patient/p2"],
        to("Patient/p2"),
        None,
    ],
)
def test_what_is_no_other_patient_of_this_server_is_none(link: Any) -> None:
    assert list(linked_records(raw(link), (BASE,))) == []
