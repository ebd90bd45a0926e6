"""Observations: values of every type, dates, status, components, members."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from fhir_trial.records.model import LoadState, OtherValue, Quantity, QuantityRange, Ratio
from fhir_trial.terminology.concepts import Coding, Concept
from tests.unit.records.conftest import Read, codes, observation, without

UCUM = "http://unitsofmeasure.org"


def test_an_observation_keeps_its_origin_version_and_last_update_data_29(read: Read) -> None:
    record = read(observation(meta={"versionId": "3", "lastUpdated": "2026-02-28T10:00:00+08:00"}))

    (found,) = record.observations
    assert (found.origin.reference, found.origin.version) == ("Observation/o1", "3")
    assert found.origin.last_updated == datetime(2026, 2, 28, 2, tzinfo=UTC)
    assert found.code == Concept((Coding("http://loinc.org", "777-3"),))
    assert found.value == Quantity(Decimal(142), None, "10*9/L", True, "142 10*9/L")
    assert found.effective is not None
    assert found.effective.first == date(2026, 2, 27)
    assert not record.issues


def test_a_resource_without_id_is_named_by_its_full_url_ver_07(read: Read) -> None:
    resource = without(observation(), "id")
    record = read(resource, names={id(resource): "urn:uuid:1"})
    assert record.observations[0].origin.reference == "urn:uuid:1"


@pytest.mark.parametrize(
    ("status", "read_it", "unusable", "issue"),
    [
        ("final", True, None, None),
        ("amended", True, None, None),
        ("corrected", True, None, None),
        ("preliminary", True, "status-preliminary", "status-preliminary"),
        ("registered", False, None, "status-left-out"),
        ("cancelled", False, None, "status-left-out"),
        ("unknown", False, None, "status-left-out"),
        ("entered-in-error", False, None, "status-left-out"),
        ("Final", True, "status-not-understood", "status-not-understood"),
        (7, True, "status-not-understood", "wrong-type"),
        (None, True, "status-missing", "status-missing"),
    ],
)
def test_status_decides_what_counts_data_57(
    read: Read, status: Any, read_it: bool, unusable: str | None, issue: str | None
) -> None:
    record = read(observation(status=status))
    assert [one.unusable for one in record.observations] == ([unusable] if read_it else [])
    assert codes(record)[:1] == ([issue] if issue else [])


def test_a_stub_entered_in_error_is_left_out_without_asking_whose_it_is_data_21(read: Read) -> None:
    record = read({"resourceType": "Observation", "id": "o1", "status": "entered-in-error"})
    assert not record.observations
    assert codes(record) == ["status-left-out"]


VALUES: list[tuple[str, Any, Any]] = [
    ("valueQuantity", {"value": Decimal("8.0"), "unit": "g/dL"}, Quantity(Decimal("8.0"), None, "g/dL", False, "8.0 g/dL")),
    ("valueQuantity", {"value": 0.5, "unit": "x"}, Quantity(Decimal("0.5"), None, "x", False, "0.5 x")),
    (
        "valueQuantity",
        {"comparator": "<", "value": Decimal("0.5"), "system": UCUM, "code": "10*9/L", "unit": "thou/uL"},
        Quantity(Decimal("0.5"), "<", "10*9/L", True, "< 0.5 thou/uL"),
    ),
    (
        "valueQuantity",
        {"value": 1, "system": "urn:oid:2.16.840.1.113883.6.8", "code": "/uL"},
        Quantity(Decimal(1), None, "/uL", True, "1 /uL"),
    ),
    ("valueQuantity", {"value": 1, "code": "/uL"}, Quantity(Decimal(1), None, "/uL", False, "1 /uL")),
    ("valueCodeableConcept", {"text": "Positive"}, Concept((), "Positive")),
    ("valueString", " 1:160 ", "1:160"),
    ("valueBoolean", False, False),
    ("valueInteger", 160, 160),
    ("valueInteger", Decimal(160), 160),
    (
        "valueRange",
        {"low": {"value": 55, "unit": "%"}, "high": {"value": 60, "unit": "%"}},
        QuantityRange(
            Quantity(Decimal(55), None, "%", False, "55 %"), Quantity(Decimal(60), None, "%", False, "60 %"), "55 % - 60 %"
        ),
    ),
    (
        "valueRatio",
        {"numerator": {"value": 1}, "denominator": {"value": 160}},
        Ratio(Quantity(Decimal(1), None, None, False, "1"), Quantity(Decimal(160), None, None, False, "160"), "1 : 160"),
    ),
    ("valueSampledData", {"data": "1 2 3"}, OtherValue("1 2 3")),
    ("valueTime", "10:00:00", OtherValue("10:00:00")),
    ("valueDateTime", "2026-01", OtherValue("2026-01")),
    ("valuePeriod", {"start": "2026-01", "end": "2026-02"}, OtherValue("2026-01 - 2026-02")),
]


@pytest.mark.parametrize(("key", "raw", "expected"), VALUES)
def test_every_type_of_value_is_read_data_58(read: Read, key: str, raw: Any, expected: Any) -> None:
    record = read(without(observation(), "valueQuantity") | {key: raw})
    assert record.observations[0].value == expected
    assert not record.issues


@pytest.mark.parametrize(
    ("change", "code", "path"),
    [
        ({"valueQuantity": {"value": "142", "unit": "10*9/L"}}, "number-as-text", "valueQuantity.value"),
        ({"valueQuantity": {"value": True}}, "wrong-type", "valueQuantity.value"),
        ({"valueQuantity": {"value": Decimal("1E+999")}}, "wrong-type", "valueQuantity.value"),
        ({"valueQuantity": {"value": 1, "comparator": 2}}, "wrong-type", "valueQuantity.comparator"),
        ({"valueQuantity": [1]}, "wrong-type", "valueQuantity"),
        ({"valueQuantity": None, "valueInteger": "160"}, "number-as-text", "valueInteger"),
        ({"valueQuantity": None, "valueInteger": Decimal("1.5")}, "wrong-type", "valueInteger"),
        ({"valueString": "142"}, "value-contradictory", "value[x]"),
        ({"dataAbsentReason": {"text": "masked"}}, "value-contradictory", "value[x]"),
        ({"valueQuantity": None, "valueAttachment": {}}, "value-type-not-read", "valueAttachment"),
        ({"code": 5}, "wrong-type", "code"),
        (
            {"code": {"coding": [{"system": "http://loinc.com", "code": "777-3"}]}},
            "code-system-not-recognised",
            "code.coding.system",
        ),
        ({"code": {"coding": [{"system": "http://loinc.org"}]}}, "coding-not-understood", "code.coding"),
        ({"code": {"coding": [{"code": ["777-3"]}]}}, "coding-not-understood", "code.coding"),
        ({"code": {"coding": {"code": "777-3"}}}, "list-missing", "code.coding"),
        ({"category": ["laboratory"]}, "wrong-type", "category"),
        ({"effectiveDateTime": "27.02.2026"}, "date-not-understood", "effectiveDateTime"),
        ({"issued": "yesterday"}, "date-not-understood", "issued"),
    ],
)
def test_what_cannot_be_read_is_a_named_issue_and_no_number_r34(read: Read, change: Any, code: str, path: str) -> None:
    record = read(observation(**change))
    assert (code, path) in [(issue.code, issue.path) for issue in record.issues]
    assert len(record.observations) == 1
    value = record.observations[0].value
    if "value" in path and "comparator" not in path:
        assert value is None or (isinstance(value, Quantity) and value.number is None)
    assert all(issue.reference == "Observation/o1" and "142" not in issue.text for issue in record.issues)


def test_a_comparator_that_cannot_be_read_leaves_no_exact_number(read: Read) -> None:
    value = read(observation(valueQuantity={"value": 1, "comparator": {}})).observations[0].value
    assert isinstance(value, Quantity)
    assert value.comparator == "?"


def test_blanks_inside_a_system_are_dropped_r34(read: Read) -> None:
    record = read(observation(code={"coding": [{"system": " http://loinc.org ", "code": " 777-3"}]}))
    assert record.observations[0].code.codings == (Coding("http://loinc.org", "777-3"),)
    assert not record.issues


DAR = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"dataAbsentReason": {"coding": [{"code": "not-performed"}]}}, "not-performed"),
        ({"dataAbsentReason": {}}, "unknown"),
        ({"_valueString": {"extension": [{"url": DAR, "valueCode": "masked"}]}}, "masked"),
        ({"valueQuantity": {"extension": [{"url": DAR, "valueCode": "error"}]}}, "error"),
        ({"valueString": "Unknown"}, "unknown"),
        (
            {
                "valueCodeableConcept": {
                    "coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-NullFlavor", "code": "UNK"}]
                }
            },
            "UNK",
        ),
        ({"valueCodeableConcept": {"text": "not done"}}, "not done"),
    ],
)
def test_a_reason_for_absence_is_no_value_data_25(read: Read, change: Any, reason: str) -> None:
    (found,) = read(without(observation(), "valueQuantity") | change).observations
    assert found.absent_reason == reason
    assert found.value is None or (isinstance(found.value, Quantity) and found.value.number is None)


@pytest.mark.parametrize(
    ("change", "first", "last", "by", "issue"),
    [
        ({"effectiveDateTime": "2026-02"}, "2026-02-01", "2026-02-28", "effective", None),
        ({"effectiveDateTime": "2026-02-27T20:00:00Z"}, "2026-02-28", "2026-02-28", "effective", None),  # R37
        ({"effectivePeriod": {"start": "2026-02-01", "end": "2026-02-27"}}, "2026-02-01", "2026-02-01", "effective", None),
        ({"effectivePeriod": {"end": "2026-02-27"}}, "0001-01-01", "2026-02-27", "effective", None),
        ({"effectiveInstant": "2026-02-27T10:00:00+08:00"}, "2026-02-27", "2026-02-27", "effective", None),
        ({"effectiveTiming": {"event": ["2026-02-26"]}}, "2026-02-26", "2026-02-26", "effective", None),
        (
            {"effectiveTiming": {"repeat": {"boundsPeriod": {"start": "2026-02-25"}}}},
            "2026-02-25",
            "2026-02-25",
            "effective",
            None,
        ),
        ({"specimen": {"reference": "#s"}}, "2026-02-24", "2026-02-24", "specimen", "dated-by-specimen"),
        ({"issued": "2026-02-28T01:00:00Z"}, "2026-02-28", "2026-02-28", "issued", "dated-by-issued"),
    ],
)
def test_the_date_is_effective_then_specimen_then_issued_data_64(
    read: Read, change: Any, first: str, last: str, by: str, issue: str | None
) -> None:
    specimen = {
        "resourceType": "Specimen",
        "id": "s",
        "type": {"text": "Blood"},
        "collection": {"collectedDateTime": "2026-02-24"},
    }
    record = read(without(observation(contained=[specimen]), "effectiveDateTime") | change)
    (found,) = record.observations
    assert found.effective is not None
    assert (found.effective.first.isoformat(), found.effective.last.isoformat(), found.dated_by) == (first, last, by)
    assert codes(record) == ([issue] if issue else [])


def test_without_any_date_it_has_none_and_says_so(read: Read) -> None:
    record = read(without(observation(), "effectiveDateTime"))
    assert record.observations[0].effective is None
    assert codes(record) == ["date-missing"]


@pytest.mark.parametrize(
    ("when", "updated", "issue"),
    [
        ("1900-01-01", None, "date-implausible"),
        ("1901-01-01", None, None),
        ("2026-03-04", "2026-03-02T00:00:00Z", "date-in-the-future"),
        ("2026-03-03", "2026-03-02T00:00:00Z", None),
        ("2026-03-04", None, "date-in-the-future"),  # against today
        ("2026-03-03", None, None),
    ],
)
def test_dates_of_1900_and_of_the_future_are_flagged_data_67(
    read: Read, when: str, updated: str | None, issue: str | None
) -> None:
    meta = {"meta": {"lastUpdated": updated}} if updated else {}
    record = read(observation(effectiveDateTime=when, **meta), today=date(2026, 3, 2))
    assert codes(record) == ([issue] if issue else [])
    assert record.observations[0].effective is not None


PULSE_OXIMETRY = {
    "code": {"text": "SpO2"},
    "valueQuantity": {"value": 93, "unit": "%"},
    "component": [
        {"code": {"text": "flow"}, "valueQuantity": {"value": 2, "unit": "L/min"}},
        {"code": {"text": "concentration"}, "dataAbsentReason": {"text": "unknown"}},
    ],
}


def test_components_become_observations_that_know_their_siblings_data_62(read: Read) -> None:
    whole, flow, concentration = read(observation(**PULSE_OXIMETRY, performer=[{"display": "A nurse"}])).observations

    assert [one.code.text for one in whole.siblings] == ["flow", "concentration"]
    assert [one.code.text for one in flow.siblings] == ["SpO2", "concentration"]
    assert (flow.effective, flow.origin, flow.status, flow.performed) == (whole.effective, whole.origin, "final", True)
    assert concentration.absent_reason == "unknown"


def test_a_panel_without_value_is_no_sibling_of_its_parts_data_62(read: Read) -> None:
    panel = without(observation(**PULSE_OXIMETRY), "valueQuantity")
    _, flow, _ = read(panel).observations
    assert [one.code.text for one in flow.siblings] == ["concentration"]


def test_a_component_with_an_unknown_modifier_is_unusable_alone_data_22(read: Read) -> None:
    record = read(observation(component=[{"code": {"text": "x"}, "valueInteger": 1, "modifierExtension": [{"url": "u"}]}]))
    assert [one.unusable for one in record.observations] == [None, "modifier-extension"]
    assert ("modifier-extension", "component.modifierExtension") in [(issue.code, issue.path) for issue in record.issues]


def test_an_unknown_modifier_extension_makes_the_whole_unusable_and_is_reported_data_22(read: Read) -> None:
    record = read(observation(modifierExtension=[{"url": "http://example.org/not"}]))
    assert record.observations[0].unusable == "modifier-extension"
    assert codes(record) == ["modifier-extension"]


def test_contained_members_speak_in_their_containers_name(read: Read) -> None:
    member = {"resourceType": "Observation", "id": "m", "code": {"text": "anti-Sm"}, "valueString": "Negative"}
    ours = {"hasMember": [{"reference": "#m"}], "contained": [member]}
    _, found = sorted(read(observation(**ours)).observations, key=lambda one: one.code.text is not None)
    assert (found.origin.reference, found.status, found.value) == ("Observation/o1", "final", "Negative")
    assert found.effective is not None


@pytest.mark.parametrize(
    ("change", "issue"),
    [
        ({"subject": {"reference": "Patient/p2"}}, "other-patient"),
        ({"status": "entered-in-error"}, "status-left-out"),
        ({"resourceType": "QuestionnaireResponse"}, "member-not-read"),
    ],
)
def test_a_contained_member_that_may_not_count_is_reported(read: Read, change: Any, issue: str) -> None:
    member = {"resourceType": "Observation", "id": "m", "code": {"text": "anti-Sm"}, "valueString": "Negative"} | change
    record = read(observation(hasMember=[{"reference": "#m"}], contained=[member]))
    assert len(record.observations) == 1
    assert codes(record) == [issue]


def test_a_member_on_file_only_by_reference_is_read_once_and_checked_data_63(read: Read) -> None:
    member = observation(id="m")
    stranger = observation(id="x", subject={"reference": "Patient/p2"})
    panel = observation(
        hasMember=[{"reference": "Observation/m"}, {"reference": "Observation/m"}, {"reference": "Observation/x"}]
    )
    record = read(panel, by_reference={"Observation/m": member, "Observation/x": stranger})
    assert [one.origin.reference for one in record.observations] == ["Observation/o1", "Observation/m"]
    assert codes(record) == ["other-patient"]


def test_a_member_that_is_nowhere_is_an_issue(read: Read) -> None:
    record = read(observation(hasMember=[{"reference": "Observation/nowhere"}, {"display": "words"}]))
    assert record.observations[0].members == ("Observation/nowhere",)
    assert codes(record) == ["member-not-on-file", "member-not-on-file"]


def test_a_contained_member_that_contains_itself_ends(read: Read) -> None:
    loop = {
        "resourceType": "Observation",
        "id": "m",
        "code": {"text": "x"},
        "hasMember": [{"reference": "#m"}, {"reference": "#n"}],
    }
    other = {"resourceType": "Observation", "id": "n", "code": {"text": "y"}, "hasMember": [{"reference": "#m"}]}
    record = read(observation(hasMember=[{"reference": "#m"}], contained=[loop, other]))
    assert sorted(one.code.text or "" for one in record.observations) == ["", "x", "y"]


def test_reference_ranges_keep_type_age_and_sex_data_65(read: Read) -> None:
    entry = {
        "low": {"value": 0, "unit": "U/L"},
        "high": {"value": 40, "unit": "U/L"},
        "type": {"coding": [{"code": "normal"}]},
        "appliesTo": [{"coding": [{"code": "F", "display": "Female"}]}, {"text": "Child"}],
        "age": {"low": {"value": 5, "unit": "a"}, "high": {"value": 12, "unit": "a"}},
        "text": "0-40",
    }
    record = read(observation(referenceRange=[entry, {"modifierExtension": [{}]}]))
    (found,) = record.observations[0].ranges
    assert found.high is not None
    assert found.age_low is not None
    assert (found.high.number, found.kind, found.applies_to, found.age_low.text, found.text) == (
        Decimal(40),
        "normal",
        frozenset({"f", "female", "child"}),
        "5 a",
        "0-40",
    )


def test_specimen_method_site_interpretation_and_notes_are_kept_data_65(read: Read) -> None:
    record = read(
        observation(
            specimen={"reference": "Specimen/s"},
            method={"text": "biplane"},
            bodySite={"coding": [{"code": "1", "display": "Left arm"}]},
            interpretation=[{"coding": [{"code": "H"}]}],
            note=[{"text": "clumped"}, {"text": 4}],
            category=[{"coding": [{"code": "laboratory"}]}, {"text": "Blood"}],
        ),
        by_reference={"Specimen/s": {"resourceType": "Specimen", "id": "s", "type": {"text": "Urine"}}},
    )
    (found,) = record.observations
    assert (found.specimen, found.method, found.body_site, found.notes) == ("Urine", "biplane", "Left arm", ("clumped",))
    assert found.interpretation[0].codings[0].code == "H"
    assert found.categories == {"laboratory", "Blood"}
    assert codes(record) == ["wrong-type"]


def test_a_redaction_label_leaves_absence_of_its_type_open_data_26(read: Read) -> None:
    record = read(observation(meta={"security": [{"code": "REDACTED"}]}))
    assert record.state("Observation") is LoadState.RESTRICTED
    assert record.state("Condition") is LoadState.NO_CLAIM
    assert codes(record) == ["redacted"]


def test_a_label_of_sensitivity_says_nothing_of_absence_data_26(read: Read) -> None:
    record = read(observation(meta={"security": [{"code": "R"}], "tag": [{"code": "ward-3"}]}))
    assert record.state("Observation") is LoadState.NO_CLAIM


@pytest.mark.parametrize(
    ("updated", "expected"),
    [
        ("2026-02-28T10:00:00.123456789Z", datetime(2026, 2, 28, 10, 0, 0, 123456, tzinfo=UTC)),
        ("2026-02-28T10:00:60Z", datetime(2026, 2, 28, 10, 0, 59, tzinfo=UTC)),  # a leap second
        ("2026-02-28T10:00:00", datetime(2026, 2, 28, 2, tzinfo=UTC)),  # the site's zone
        ("2026-02-28", None),
        ("T", None),
        ("0001-01-01T00:00:00+14:00", None),
        (5, None),
    ],
)
def test_the_last_update_is_read_whatever_it_is(read: Read, updated: Any, expected: datetime | None) -> None:
    assert read(observation(meta={"lastUpdated": updated})).observations[0].origin.last_updated == expected


def test_other_extensions_of_a_value_are_no_reason_for_its_absence(read: Read) -> None:
    (found,) = read(observation(valueQuantity={"value": 1, "extension": [{"url": "x"}]})).observations
    assert (found.absent_reason, isinstance(found.value, Quantity)) == (None, True)


def test_an_empty_period_is_no_value_and_a_specimen_may_be_collected_over_a_period(read: Read) -> None:
    specimen = {"resourceType": "Specimen", "id": "s", "collection": {"collectedPeriod": {"start": "2026-02-20"}}}
    resource = without(observation(contained=[specimen], specimen={"reference": "#s"}), "effectiveDateTime", "valueQuantity")
    (found,) = read(resource | {"valuePeriod": {}}).observations
    assert found.value is None
    assert found.effective is not None
    assert (found.effective.text, found.dated_by) == ("2026-02-20", "specimen")
