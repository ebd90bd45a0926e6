"""Whose a line is, and of what: narrow decoding says what whole decoding would (BULK-34, BULK-35)."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_trial.population.heads import NO_TYPE, diagnosis_of, head_of
from fhir_trial.sources.candidates import concept_of
from fhir_trial.sources.patient_links import PATIENT_LINK, SHARED_TYPES, patient_link
from fhir_trial.transport import decode_json

_LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.sampled_from(["Patient/p1", " Patient/p1 ", "urn:uuid:p1", "Condition", ""])
)
_VALUES = st.recursive(
    _LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["reference", "coding", "code", "text", "system"]), inner)
    ),
    max_leaves=6,
)
_LINES = st.dictionaries(
    st.sampled_from(["resourceType", "id", "subject", "patient", "for", "beneficiary", "individual", "code", "other"]), _VALUES
)


@given(
    value=_LINES | _VALUES, kind=st.sampled_from(["Condition", "Task", "Coverage", "Medication", "Patient", "Unheard", "", None])
)
def test_any_json_is_read_as_whole_decoding_would(value: Any, kind: str | None) -> None:
    if isinstance(value, dict) and kind is not None:
        value = value | {"resourceType": kind}
    line = json.dumps(value).encode()

    head, diagnosis = head_of(line), diagnosis_of(line)

    is_resource = isinstance(value, dict) and isinstance(value.get("resourceType"), str)
    assert head.kind == (value["resourceType"] if is_resource else NO_TYPE)
    if is_resource and value["resourceType"] == "Condition":
        assert diagnosis is not None
        assert diagnosis.concept == concept_of(value.get("code"))
        assert (head.patient == "Patient/p1") == (patient_link(value) in ("Patient/p1", "urn:uuid:p1"))
        assert diagnosis.patient == head.patient
    else:
        assert diagnosis is None


@pytest.mark.parametrize("kind", sorted(PATIENT_LINK))
def test_each_type_names_its_patient_in_its_own_element(kind: str) -> None:
    line = json.dumps(
        {"resourceType": kind, PATIENT_LINK[kind]: {"reference": "https://ehr.example.invalid/fhir/Patient/p1/_history/2"}}
    )

    assert head_of(line.encode()).patient == "Patient/p1"


@pytest.mark.parametrize("kind", sorted(SHARED_TYPES))
def test_what_is_shared_belongs_to_nobody(kind: str) -> None:
    assert head_of(json.dumps({"resourceType": kind, "id": "x", "subject": {"reference": "Patient/p1"}}).encode()).patient is None


@pytest.mark.parametrize(
    "line",
    [
        b'{"resourceType":"Condition","note":"\xff\xfe"}',
        b'{"resourceType":"Condition","\xe9t\xe9":1}',
        b'{"resourceType":"Condition","note":"\xed\xa0\x80"}',
        b'{"resourceType":"Condition","note":"\x00"}',
        b'{"resourceType":"Condition","note":"\\ud800"}',
        b'{"resourceType":"Condition","note":' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"resourceType":"Condition","n":01}',
        b'{"resourceType":"Condition"} {}',
        b"\x00\x00\x00\x00",
    ],
)
def test_what_whole_decoding_refuses_narrow_decoding_refuses_too(line: bytes) -> None:
    with pytest.raises(ValueError, match="not JSON"):
        decode_json(line)

    with pytest.raises(ValueError, match="not JSON"):
        head_of(line)
    assert diagnosis_of(line) is None


def test_of_a_key_written_twice_the_last_counts() -> None:
    whose = b'"subject":{"reference":"Patient/p1"},"subject":{"reference":"Patient/p2"}'
    line = b'{"resourceType":"Claim","resourceType":"Condition",' + whose + b"}"

    assert (head_of(line).kind, head_of(line).patient) == ("Condition", "Patient/p2")
    assert patient_link(decode_json(line)) == "Patient/p2"
