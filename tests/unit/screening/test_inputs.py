"""What a screening was made of, by reference: the same inputs give the same result."""

from __future__ import annotations

import copy
import random
import time
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_trial.contract.verdicts import verdict_json
from fhir_trial.records.model import Issue, LoadState
from fhir_trial.screening.inputs import Input, inputs_digest, inputs_of
from fhir_trial.screening.ports import RawPatient
from tests.unit.store.kept import newer, raw, screened

PERSON = {"resourceType": "Patient", "id": "p1", "meta": {"versionId": "7"}}


def chart(*resources: dict[str, Any], **more: Any) -> RawPatient:
    return RawPatient("Patient/p1", more.pop("patients", [PERSON]), resources, **more)


def hemoglobin(**changes: Any) -> dict[str, Any]:
    value = {"value": Decimal("8.10"), "unit": "g/dL"}
    return {"resourceType": "Observation", "id": "o1", "status": "final", "valueQuantity": value} | changes


def test_a_resource_is_named_by_its_version_and_without_one_by_a_digest_of_its_content() -> None:
    """SEC-52."""
    versioned = hemoglobin(id="o2", meta={"versionId": "3"})

    inputs = inputs_of(chart(hemoglobin(), versioned))

    first, second = (one for one in inputs if one.reference.startswith("Observation/"))
    assert (first.reference, first.version, len(first.digest)) == ("Observation/o1", "", len("sha256-") + 64)
    assert second == Input("Observation/o2", "3")
    assert Input("Patient/p1", "7") in inputs
    assert list(inputs) == sorted(inputs)


def test_no_value_of_the_record_is_repeated() -> None:
    assert "8.1" not in "".join(one.reference + one.version for one in inputs_of(chart(hemoglobin())))


@pytest.mark.parametrize(
    "other",
    [
        hemoglobin(id="o2"),
        hemoglobin(valueQuantity={"value": Decimal("8.11"), "unit": "g/dL"}),
        hemoglobin(valueQuantity={"value": Decimal("8.1"), "unit": "g/dL"}),  # another precision is another content
        hemoglobin(valueQuantity={"value": "8.10", "unit": "g/dL"}),
        hemoglobin(status="preliminary"),
        hemoglobin(meta={"lastUpdated": "2026-03-01T00:00:00Z"}),
        hemoglobin(meta={"versionId": "1"}),
        hemoglobin(meta={"versionId": ""}),
        hemoglobin(meta={"versionId": 3}),
        hemoglobin(meta=None),
    ],
)
def test_another_content_is_another_input(other: dict[str, Any]) -> None:
    """SEC-52."""
    assert inputs_digest(inputs_of(chart(other))) != inputs_digest(inputs_of(chart(hemoglobin())))


def test_neither_the_order_of_resources_nor_that_of_keys_matters() -> None:
    one, two = hemoglobin(), hemoglobin(id="o2")
    turned = dict(reversed(list(one.items())))

    assert inputs_of(chart(one, two)) == inputs_of(chart(two, turned))


def test_copies_of_the_patient_and_what_is_referred_to_are_inputs_too() -> None:
    """SEC-52, VER-07."""
    drug = {"resourceType": "Medication", "id": "m1"}
    older = PERSON | {"meta": {"versionId": "6"}}

    inputs = inputs_of(chart(patients=[older, PERSON], by_reference={"Medication/m1": drug, "urn:uuid:m1": drug}))

    assert [one.reference for one in inputs if one.digest] == ["Medication/m1"]
    assert [one.version for one in inputs if one.reference == "Patient/p1"] == ["6", "7"]


def test_what_has_no_id_goes_by_its_full_url_and_without_one_by_its_type() -> None:
    named, nameless = {"resourceType": "Observation", "status": "final"}, {"resourceType": "Condition"}

    inputs = inputs_of(chart(named, nameless, names={id(named): "urn:uuid:1"}))

    assert [one.reference for one in inputs if one.digest] == ["Condition", "urn:uuid:1"]


def test_what_was_not_loaded_and_what_the_source_found_wrong_are_inputs() -> None:
    """SEC-52, DATA-19: a page that failed changes the result, so it is told."""
    whole = chart(hemoglobin(), states={"Observation": LoadState.FETCHED}, default_state=LoadState.NOT_ASKED)
    partial = replace(whole, states={"Observation": LoadState.PARTIAL})
    odd = replace(whole, issues=[Issue("copies-differ", "warning", "Observation/o1", None, "Two copies differ.")])

    digests = {inputs_digest(inputs_of(one)) for one in (whole, partial, odd, replace(whole, default_state=LoadState.NO_CLAIM))}

    assert len(digests) == 4
    assert Input("Observation?", "partial") in inputs_of(partial)


@pytest.mark.parametrize("odd", ["\ud800", 2**70, -(2**70), 1.5, [None, True], {"x": ["\udfff"]}])
def test_a_value_that_no_encoder_likes_still_has_a_digest(odd: Any) -> None:
    inputs = inputs_of(chart(hemoglobin(note=odd)))

    assert inputs == inputs_of(chart(hemoglobin(note=copy.deepcopy(odd))))
    assert inputs != inputs_of(chart(hemoglobin()))


def test_the_same_inputs_criteria_and_software_give_the_same_result() -> None:
    """SEC-52: whatever the order in which they came, and however often."""
    before = screened()
    shuffled = list(raw().resources)
    random.Random(7).shuffle(shuffled)
    again = replace(raw(), resources=shuffled)

    assert inputs_digest(inputs_of(again)) == inputs_digest(inputs_of(raw()))
    assert verdict_json(screened(again)) == verdict_json(before)
    assert inputs_digest(inputs_of(newer("2"))) != inputs_digest(inputs_of(raw()))


_INPUT = st.builds(Input, st.text(), st.text(), st.text())


@given(st.lists(_INPUT, max_size=8, unique=True), st.randoms())
def test_the_digest_goes_by_the_inputs_alone(inputs: list[Input], chance: random.Random) -> None:
    turned = inputs[:]
    chance.shuffle(turned)

    assert inputs_digest(turned) == inputs_digest(inputs)
    assert inputs_digest([*inputs, Input("one more", "1", "2")]) != inputs_digest(inputs)


def test_three_hundred_resources_take_no_time_to_speak_of() -> None:
    resources = [hemoglobin(id=f"o{number}", note=[{"text": "x" * 400}]) for number in range(300)]
    big = chart(*resources, by_reference={f"Observation/{one['id']}": one for one in resources})

    def seconds() -> float:
        start = time.process_time()
        inputs_digest(inputs_of(big))
        return time.process_time() - start

    assert min(seconds() for _ in range(10)) < 0.01
