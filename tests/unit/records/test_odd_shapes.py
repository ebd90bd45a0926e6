"""Shapes that are legal, rare, and must not be misread."""

from __future__ import annotations

import pytest

from tests.unit.records.conftest import ABOUT, Read, codes, observation, patient, without


def test_a_status_with_blanks_around_it_is_the_status(read: Read) -> None:
    record = read(observation(status=" final "))

    assert record.observations[0].unusable is None
    assert codes(record) == []


def test_an_extension_that_gives_no_reason_for_absence_is_none(read: Read) -> None:
    other = {"extension": [{"url": "urn:x", "valueCode": "y"}]}

    (found,) = read(observation(valueQuantity=None, _valueQuantity=other)).observations

    assert (found.value, found.absent_reason) == (None, None)


@pytest.mark.parametrize("beside", [{}, "a note", None])
def test_nothing_beside_an_absent_value_is_no_reason(read: Read, beside: object) -> None:
    (found,) = read(observation(valueQuantity=None, _valueQuantity=beside)).observations

    assert (found.value, found.absent_reason) == (None, None)


def test_a_contained_member_whose_meaning_may_be_changed_decides_nothing(read: Read) -> None:
    """DATA-22."""
    member = without(observation(id="m1", modifierExtension=[{"url": "urn:x", "valueBoolean": True}]), "subject")

    panel, part = read(observation(contained=[member], hasMember=[{"reference": "#m1"}])).observations

    assert (panel.unusable, part.unusable) == (None, "modifier-extension")


def test_an_actor_of_a_consent_may_have_no_role_and_no_reference(read: Read) -> None:
    consent = {
        "resourceType": "Consent",
        "id": "c1",
        "status": "active",
        "patient": ABOUT["subject"],
        "provision": {"type": "permit", "actor": [{"role": {"text": "Mother"}}, {"reference": {"display": "Father"}}]},
    }

    (found,) = read(consent).consents

    assert found.performers == ("mother", "father")


def test_a_patient_without_an_id_is_known_by_the_name_of_the_entry(read: Read) -> None:
    record = read(observation(subject={"reference": "Patient/p1/_history/3"}), patients=(without(patient(), "id"),))

    assert len(record.observations) == 1
